// An independent reader of an Almoner ledger, on golang.org/x/mod/sumdb/{note,tlog}.
//
// Comes in: a site's folder (site.json, ledger/). Goes out: counts and exit code 0, or the reason
// and exit code 1. It shares no code with the engine: note opens the checkpoints, tlog hashes
// entries, reads tiles against the signed root, and checks every proof.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: tlog SITE")
		os.Exit(2)
	}
	if err := check(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

// tree is what a signed checkpoint says.
type tree struct {
	name string
	tlog.Tree
}

func check(site string) error {
	about := struct {
		Origin  string `json:"origin"`
		LogVkey string `json:"log_vkey"`
	}{}
	text, err := os.ReadFile(filepath.Join(site, "site.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return fmt.Errorf("site.json: %w", err)
	}
	verifier, err := note.NewVerifier(about.LogVkey)
	if err != nil {
		return fmt.Errorf("the log's vkey: %w", err)
	}
	ledger := filepath.Join(site, "ledger")
	current, err := open(ledger, "checkpoint", about.Origin, verifier)
	if err != nil {
		return err
	}
	if current.N == 0 {
		return errors.New("the log is empty")
	}
	reader := tlog.TileHashReader(current.Tree, &tiles{ledger})

	entries, err := readEntries(ledger, current.N)
	if err != nil {
		return err
	}
	for index, entry := range entries {
		id := int64(index)
		proof, err := tlog.ProveRecord(current.N, id, reader)
		if err != nil {
			return fmt.Errorf("entry %d: %w", id, err)
		}
		if err := tlog.CheckRecord(proof, current.N, current.Hash, id, tlog.RecordHash(entry)); err != nil {
			return fmt.Errorf("entry %d is not in the signed tree: %w", id, err)
		}
	}

	names, err := filepath.Glob(filepath.Join(ledger, "checkpoints", "*"))
	if err != nil {
		return err
	}
	var published []tree
	for _, path := range names {
		name := "checkpoints/" + filepath.Base(path)
		old, err := open(ledger, name, about.Origin, verifier)
		if err != nil {
			return err
		}
		if strconv.FormatInt(old.N, 10) != filepath.Base(path) {
			return fmt.Errorf("%s signs a tree of %d entries", name, old.N)
		}
		if old.N > current.N {
			return fmt.Errorf("%s is newer than the current checkpoint of %d entries", name, current.N)
		}
		published = append(published, old)
	}
	sort.Slice(published, func(a, b int) bool { return published[a].N < published[b].N })
	if len(published) == 0 || published[len(published)-1].N != current.N {
		return fmt.Errorf("checkpoints/%d is missing", current.N)
	}
	if published[len(published)-1].Hash != current.Hash {
		return fmt.Errorf("checkpoints/%d and checkpoint sign different trees", current.N)
	}
	// Each checkpoint is consistent with the next one and with the current one.
	proofs := 0
	for index, old := range published {
		for _, new := range []tree{published[min(index+1, len(published)-1)], current} {
			if old.N == new.N {
				continue
			}
			proof, err := tlog.ProveTree(new.N, old.N, reader)
			if err != nil {
				return fmt.Errorf("%s: %w", old.name, err)
			}
			if err := tlog.CheckTree(proof, new.N, new.Hash, old.N, old.Hash); err != nil {
				return fmt.Errorf("%s is not consistent with %s: %w", old.name, new.name, err)
			}
			proofs++
		}
	}
	fmt.Printf("tlog: %s: %d entries included, %d checkpoints, %d consistency proofs, root %s\n",
		about.Origin, len(entries), len(published), proofs, current.Hash)
	return nil
}

// open reads a checkpoint that the log's key signed.
func open(ledger, name, origin string, verifier note.Verifier) (tree, error) {
	text, err := os.ReadFile(filepath.Join(ledger, name))
	if err != nil {
		return tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", name, err)
	}
	lines := strings.Split(opened.Text, "\n")
	if len(lines) < 4 || lines[0] != origin {
		return tree{}, fmt.Errorf("%s is no checkpoint of %s", name, origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 || strconv.FormatInt(size, 10) != lines[1] {
		return tree{}, fmt.Errorf("%s: its size is no number", name)
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree{}, fmt.Errorf("%s: its root is no hash", name)
	}
	return tree{name, tlog.Tree{N: size, Hash: tlog.Hash(root)}}, nil
}

// readEntries reads the raw entries from the bundles.
func readEntries(ledger string, size int64) ([][]byte, error) {
	var entries [][]byte
	for first := int64(0); first < size; first += 256 {
		width := min(size-first, 256)
		path := filepath.FromSlash(tilePath("entries", first/256, width))
		bundle, err := os.ReadFile(filepath.Join(ledger, path))
		if err != nil {
			return nil, err
		}
		count := int64(0)
		for len(bundle) > 0 {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return nil, fmt.Errorf("%s ends within an entry", path)
			}
			length := 2 + int(binary.BigEndian.Uint16(bundle))
			entries = append(entries, bundle[2:length])
			bundle = bundle[length:]
			count++
		}
		if count != width {
			return nil, fmt.Errorf("%s holds %d entries, not %d", path, count, width)
		}
	}
	return entries, nil
}

// tiles reads tiles of hashes where C2SP tlog-tiles puts them.
type tiles struct{ ledger string }

func (t *tiles) Height() int { return tileHeight }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		row := strconv.Itoa(tile.L)
		path := filepath.Join(t.ledger, filepath.FromSlash(tilePath(row, tile.N, int64(tile.W))))
		hashes, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) && tile.W < 256 {
			// A full tile stands for every partial one before it.
			path = filepath.Join(t.ledger, filepath.FromSlash(tilePath(row, tile.N, 256)))
			hashes, err = os.ReadFile(path)
			if err == nil && len(hashes) >= tile.W*tlog.HashSize {
				hashes = bytes.Clone(hashes[:tile.W*tlog.HashSize])
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, hashes)
	}
	return all, nil
}

func (t *tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func tilePath(row string, index, width int64) string {
	number := fmt.Sprintf("%03d", index%1000)
	for index >= 1000 {
		index /= 1000
		number = fmt.Sprintf("x%03d/%s", index%1000, number)
	}
	path := "tile/" + row + "/" + number
	if width < 256 {
		path += ".p/" + strconv.FormatInt(width, 10)
	}
	return path
}
