// An independent reader of an Almoner ledger, on golang.org/x/mod/sumdb/{note,tlog}.
//
// Comes in: a site's folder (site.json, ledger/). Goes out: counts and exit code 0, or the reason
// and exit code 1. It shares no code with the engine: note opens the checkpoints, tlog hashes
// entries, reads tiles against the signed root, and checks every proof. Where site.json names a
// witness, every checkpoint must bear its cosignature. With -flip N it then flips a bit in every
// N-th file that it has read, one after the other, and each must be refused.
package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const tileHeight = 8

func main() {
	flip := flag.Int("flip", 0, "flip a bit in every N-th file that is read")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: tlog [-flip N] SITE")
		os.Exit(2)
	}
	files := &files{folder: filepath.Join(flag.Arg(0), "ledger"), kept: map[string][]byte{}}
	said, err := check(flag.Arg(0), files)
	if err == nil {
		fmt.Println("tlog:", said)
		if *flip > 0 {
			err = tamper(flag.Arg(0), files, *flip)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tlog:", err)
		os.Exit(1)
	}
}

// files reads a log, and keeps what it read.
type files struct {
	folder string
	kept   map[string][]byte
}

func (f *files) read(name string) ([]byte, error) {
	if kept, ok := f.kept[name]; ok {
		return kept, nil
	}
	text, err := os.ReadFile(filepath.Join(f.folder, filepath.FromSlash(name)))
	if err == nil {
		f.kept[name] = text
	}
	return text, err
}

// tamper flips one bit in every n-th file, and demands that it is refused.
func tamper(site string, files *files, n int) error {
	names := slices.Sorted(maps.Keys(files.kept))
	flipped := 0
	for at, name := range names {
		// Few files lie above the leaves: of those every one.
		leaves := strings.HasPrefix(name, "tile/0/") || strings.HasPrefix(name, "tile/entries/")
		if leaves && at%n != 0 {
			continue
		}
		good := files.kept[name]
		bad := bytes.Clone(good)
		bad[at*7919%len(bad)] ^= 1 << (at % 8)
		files.kept[name] = bad
		if _, err := check(site, files); err == nil {
			return fmt.Errorf("a bit of %s was flipped and nobody minded", name)
		}
		files.kept[name] = good
		flipped++
	}
	fmt.Printf("tlog: a flipped bit refused in each of %d files of %d\n", flipped, len(names))
	return nil
}

// tree is what a signed checkpoint says.
type tree struct {
	name string
	tlog.Tree
}

func check(site string, files *files) (string, error) {
	about := struct {
		Origin      string `json:"origin"`
		LogVkey     string `json:"log_vkey"`
		WitnessVkey string `json:"witness_vkey"`
	}{}
	text, err := os.ReadFile(filepath.Join(site, "site.json"))
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, &about); err != nil {
		return "", fmt.Errorf("site.json: %w", err)
	}
	verifier, err := note.NewVerifier(about.LogVkey)
	if err != nil {
		return "", fmt.Errorf("the log's vkey: %w", err)
	}
	keys := []note.Verifier{verifier}
	if about.WitnessVkey != "" {
		witness, err := newWitness(about.WitnessVkey)
		if err != nil {
			return "", fmt.Errorf("the witness's vkey: %w", err)
		}
		keys = append(keys, witness)
	}
	current, err := open(files, "checkpoint", about.Origin, keys)
	if err != nil {
		return "", err
	}
	if current.N == 0 {
		return "", errors.New("the log is empty")
	}
	reader := tlog.TileHashReader(current.Tree, &tiles{files})

	entries, err := readEntries(files, current.N)
	if err != nil {
		return "", err
	}
	if err := checkHashes(entries, reader); err != nil {
		return "", err
	}
	// Every entry of a small log is proved by itself, of a large one 512.
	for index := 0; index < len(entries); index += 1 + len(entries)/512 {
		entry, id := entries[index], int64(index)
		proof, err := tlog.ProveRecord(current.N, id, reader)
		if err != nil {
			return "", fmt.Errorf("entry %d: %w", id, err)
		}
		if err := tlog.CheckRecord(proof, current.N, current.Hash, id, tlog.RecordHash(entry)); err != nil {
			return "", fmt.Errorf("entry %d is not in the signed tree: %w", id, err)
		}
	}

	names, err := filepath.Glob(filepath.Join(files.folder, "checkpoints", "*"))
	if err != nil {
		return "", err
	}
	var published []tree
	for _, path := range names {
		name := "checkpoints/" + filepath.Base(path)
		old, err := open(files, name, about.Origin, keys)
		if err != nil {
			return "", err
		}
		if strconv.FormatInt(old.N, 10) != filepath.Base(path) {
			return "", fmt.Errorf("%s signs a tree of %d entries", name, old.N)
		}
		if old.N > current.N {
			return "", fmt.Errorf("%s is newer than the current checkpoint of %d entries", name, current.N)
		}
		published = append(published, old)
	}
	sort.Slice(published, func(a, b int) bool { return published[a].N < published[b].N })
	if len(published) == 0 || published[len(published)-1].N != current.N {
		return "", fmt.Errorf("checkpoints/%d is missing", current.N)
	}
	if published[len(published)-1].Hash != current.Hash {
		return "", fmt.Errorf("checkpoints/%d and checkpoint sign different trees", current.N)
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
				return "", fmt.Errorf("%s: %w", old.name, err)
			}
			if err := tlog.CheckTree(proof, new.N, new.Hash, old.N, old.Hash); err != nil {
				return "", fmt.Errorf("%s is not consistent with %s: %w", old.name, new.name, err)
			}
			proofs++
		}
	}
	return fmt.Sprintf("%s: %d entries included, %d checkpoints, %d consistency proofs, root %s",
		about.Origin, len(entries), len(published), proofs, current.Hash), nil
}

// checkHashes compares every entry with the hash that the signed tree holds in its place.
func checkHashes(entries [][]byte, reader tlog.HashReader) error {
	for first := 0; first < len(entries); first += 256 {
		chunk := entries[first:min(first+256, len(entries))]
		places := make([]int64, len(chunk))
		for n := range chunk {
			places[n] = tlog.StoredHashIndex(0, int64(first+n))
		}
		hashes, err := reader.ReadHashes(places)
		if err != nil {
			return fmt.Errorf("entries from %d: %w", first, err)
		}
		for n, entry := range chunk {
			if tlog.RecordHash(entry) != hashes[n] {
				return fmt.Errorf("entry %d has another hash than the signed tree", first+n)
			}
		}
	}
	return nil
}

// witness verifies cosignature/v1, <https://c2sp.org/tlog-cosignature>.
type witness struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newWitness(vkey string) (*witness, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("it is not of three parts")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("it is no key of cosignatures")
	}
	sum := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	if fmt.Sprintf("%x", sum[:4]) != parts[1] {
		return nil, errors.New("its hash is another key's")
	}
	return &witness{parts[0], binary.BigEndian.Uint32(sum[:4]), key[1:]}, nil
}

func (w *witness) Name() string    { return w.name }
func (w *witness) KeyHash() uint32 { return w.hash }
func (w *witness) Verify(text, sig []byte) bool {
	if len(sig) != 8+ed25519.SignatureSize {
		return false
	}
	head := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(w.key, append([]byte(head), text...), sig[8:])
}


// open reads a checkpoint that each of the keys signed.
func open(files *files, name, origin string, keys []note.Verifier) (tree, error) {
	text, err := files.read(name)
	if err != nil {
		return tree{}, err
	}
	opened, err := note.Open(text, note.VerifierList(keys...))
	if err != nil {
		return tree{}, fmt.Errorf("%s: %w", name, err)
	}
	if len(opened.Sigs) != len(keys) {
		return tree{}, fmt.Errorf("%s bears %d of %d signatures", name, len(opened.Sigs), len(keys))
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
func readEntries(files *files, size int64) ([][]byte, error) {
	var entries [][]byte
	for first := int64(0); first < size; first += 256 {
		width := min(size-first, 256)
		path := tilePath("entries", first/256, width)
		bundle, err := files.read(path)
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
type tiles struct{ files *files }

func (t *tiles) Height() int { return tileHeight }

func (t *tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range wanted {
		row := strconv.Itoa(tile.L)
		hashes, err := t.files.read(tilePath(row, tile.N, int64(tile.W)))
		if errors.Is(err, fs.ErrNotExist) && tile.W < 256 {
			// A full tile stands for every partial one before it.
			hashes, err = t.files.read(tilePath(row, tile.N, 256))
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
