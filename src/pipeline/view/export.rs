//! Runs a view over files into one table, part by part on several threads.
//!
//! Comes in: a view, files. Goes out: Parquet, CSV or NDJSON; the faults beside it. Never: more in
//! memory than a few row groups, or rows in another order than the files'.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
};

use serde::Serialize;

use super::{
    Error,
    sink::{Piece, Pieces, Sink},
};
use crate::{
    pipeline::Progress,
    source::{
        self, Format, Options, Part, RowFault, RowFaultKind,
        fhir::{self, Counts, Settings, View},
    },
};

/// Bytes of a plain file in one part, at most.
const PART_BYTES_MAX: u64 = 64 << 20;
/// Rows of a batch: few enough to stay in the processor's cache until they are encoded.
const BATCH_ROWS: usize = 2048;
/// Pieces that a part may have ready before its turn has come.
const PIECES_AHEAD: usize = 2;

/// How a view is run over files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    /// Whether each row bears the SHA-256 of its resource.
    pub digests: bool,
    /// How many threads read and encode.
    pub threads: usize,
}

/// What an export wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Exported {
    /// Files read.
    pub files: u64,
    /// Their bytes, compressed as they are.
    pub bytes: u64,
    /// Resources of the view's type that gave their rows.
    pub resources: u64,
    /// Rows written.
    pub rows: u64,
    /// Resources of other types, passed over.
    pub passed_over: u64,
    /// Resources, or lines that are none, put aside.
    pub faults: u64,
    /// Where they are told, if there are any.
    pub faults_file: Option<PathBuf>,
}

/// One part of one file.
struct Task {
    file: PathBuf,
    name: String,
    format: Format,
    part: Part,
    /// Whether the file's lines go on from the part before.
    goes_on: bool,
}

/// What a part hands to the writer.
enum Told {
    Piece(Piece),
    Faults(Vec<RowFault>),
    Done(Counts),
    Failed(Error),
}

#[derive(Serialize)]
struct FaultLine<'f> {
    file: &'f str,
    line: u64,
    column: Option<&'f str>,
    kind: RowFaultKind,
    reason: &'f str,
}

/// Runs a view over files and writes `out`, whose name says the format.
pub fn run(
    view: &View,
    files: &[PathBuf],
    out: &Path,
    export: Export,
    progress: &dyn Progress,
) -> Result<Exported, Error> {
    let threads = export.threads.max(1);
    let (tasks, read) = plan(view, files, threads)?;
    progress.stage("view", tasks.len() as u64);
    let settings = Settings { digests: export.digests, ..Settings::default() };
    let schema = view.schema(settings);
    let mut sink = Sink::create(out, &schema, view)?;
    let mut done = Exported {
        files: files.len() as u64,
        bytes: read,
        resources: 0,
        rows: 0,
        passed_over: 0,
        faults: 0,
        faults_file: None,
    };
    let pieces = sink.pieces();
    let mut faults = Faults::new(out);
    let (senders, receivers): (Vec<_>, Vec<_>) =
        tasks.iter().map(|_| sync_channel(PIECES_AHEAD)).unzip();
    // Parts are taken in order, and the writer waits for the first that is not done: so the one it
    // waits for is always at work.
    let queue = Mutex::new(tasks.iter().zip(senders));
    let next = || queue.lock().ok().and_then(|mut queue| queue.next());
    let work = || {
        while let Some((task, sender)) = next() {
            part(view, task, settings, &pieces, &sender);
        }
    };
    let written = thread::scope(|scope| -> Result<(), Error> {
        for _ in 0..threads.min(tasks.len()) {
            scope.spawn(work);
        }
        let mut lines = 0;
        for (task, receiver) in tasks.iter().zip(receivers) {
            if !task.goes_on {
                lines = 0;
            }
            let counts = take(task, &receiver, lines, &mut sink, &mut faults);
            let counts = counts.inspect_err(|_| while next().is_some() {})?;
            lines += counts.lines;
            done.resources += counts.resources;
            done.rows += counts.rows;
            done.passed_over += counts.passed_over;
            done.faults += counts.faults;
            progress.step();
        }
        Ok(())
    });
    if let Err(error) = written {
        sink.abandon();
        return Err(error);
    }
    done.faults_file = faults.close()?;
    sink.close()?;
    Ok(done)
}

/// Cuts the files into parts; returns them and the files' bytes.
fn plan(view: &View, files: &[PathBuf], threads: usize) -> Result<(Vec<Task>, u64), Error> {
    let mut inputs = Vec::new();
    for file in files {
        let format = format_of(file)?;
        if format != Format::FhirManifest {
            inputs.push((file.clone(), format));
            continue;
        }
        for listed in fhir::listed(file)? {
            if listed.resource.as_deref().is_none_or(|kind| kind == view.resource()) {
                inputs.push((listed.file, Format::FhirNdjson));
            }
        }
    }
    let mut tasks = Vec::new();
    let mut bytes = 0;
    for (file, format) in inputs {
        let size = std::fs::metadata(&file)
            .map_err(|source| Error::Read { file: file.clone(), source })?
            .len();
        bytes += size;
        let share = size.div_ceil(threads as u64).clamp(1 << 20, PART_BYTES_MAX);
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for part in source::cut(&file, format, share)? {
            let goes_on = part.index() > 0;
            tasks.push(Task { file: file.clone(), name: name.clone(), format, part, goes_on });
        }
    }
    Ok((tasks, bytes))
}

/// Returns what a file is by its name: NDJSON, a Bundle or a manifest.
fn format_of(file: &Path) -> Result<Format, Error> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let name = name.trim_end_matches(".gz").trim_end_matches(".zst");
    match name.rsplit_once('.') {
        _ if name == "manifest.json" => Ok(Format::FhirManifest),
        Some((_, "json")) => Ok(Format::FhirBundle),
        Some((_, "ndjson" | "jsonl")) => Ok(Format::FhirNdjson),
        Some(_) | None => Err(Error::InputName { file: file.to_owned() }),
    }
}

/// Reads one part and hands on what it gives; stops when nobody takes it any more.
fn part(view: &View, task: &Task, settings: Settings, pieces: &Pieces, sender: &SyncSender<Told>) {
    let options = Options { batch_rows: BATCH_ROWS, ..Options::fhir() };
    let mut encoder = pieces.encoder();
    let mut failed = None;
    let read =
        fhir::read(&task.file, task.format, view, &task.part, &options, settings, &mut |batch| {
            if !batch.faults.is_empty() && sender.send(Told::Faults(batch.faults)).is_err() {
                return ControlFlow::Break(());
            }
            match encoder.add(&batch.rows) {
                Ok(None) => ControlFlow::Continue(()),
                Ok(Some(piece)) => match sender.send(Told::Piece(piece)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(_) => ControlFlow::Break(()),
                },
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        });
    let end = match (failed, read, encoder.finish()) {
        (Some(error), _, _) | (None, Ok(_), Err(error)) => Told::Failed(error),
        (None, Err(error), _) => Told::Failed(error.into()),
        (None, Ok(counts), Ok(piece)) => {
            if let Some(piece) = piece
                && sender.send(Told::Piece(piece)).is_err()
            {
                return;
            }
            Told::Done(counts)
        }
    };
    // The writer is gone only after an error of its own, which it tells.
    drop(sender.send(end));
}

/// Writes what a part hands on.
fn take(
    task: &Task,
    receiver: &Receiver<Told>,
    lines: u64,
    sink: &mut Sink,
    faults: &mut Faults,
) -> Result<Counts, Error> {
    loop {
        match receiver.recv() {
            Ok(Told::Piece(piece)) => sink.write(piece)?,
            Ok(Told::Faults(found)) => faults.write(&task.name, lines, &found)?,
            Ok(Told::Done(counts)) => return Ok(counts),
            Ok(Told::Failed(error)) => return Err(error),
            Err(_) => return Err(Error::Stopped { file: task.file.clone() }),
        }
    }
}

/// The file of faults, made when there is a first one.
struct Faults {
    file: PathBuf,
    writer: Option<BufWriter<File>>,
}

impl Faults {
    fn new(out: &Path) -> Self {
        Self { file: out.with_extension("faults.ndjson"), writer: None }
    }

    fn write(&mut self, name: &str, lines: u64, faults: &[RowFault]) -> Result<(), Error> {
        let error = |source| Error::Write { file: self.file.clone(), source };
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(BufWriter::new(File::create(&self.file).map_err(error)?)),
        };
        for fault in faults {
            let line = FaultLine {
                file: name,
                line: fault.line + lines,
                column: fault.column.as_deref(),
                kind: fault.kind,
                reason: &fault.reason,
            };
            let written = serde_json::to_writer(&mut *writer, &line).map_err(std::io::Error::from);
            written.and_then(|()| writer.write_all(b"\n")).map_err(error)?;
        }
        Ok(())
    }

    fn close(self) -> Result<Option<PathBuf>, Error> {
        let Some(writer) = self.writer else {
            // One of a run before would tell of rows that are well now.
            return match std::fs::remove_file(&self.file) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(Error::Write { file: self.file, source: error })
                }
                Ok(()) | Err(_) => Ok(None),
            };
        };
        let done = writer.into_inner().map_err(std::io::IntoInnerError::into_error);
        done.and_then(|file| file.sync_all())
            .map_err(|source| Error::Write { file: self.file.clone(), source })?;
        Ok(Some(self.file))
    }
}

#[cfg(test)]
mod tests {
    use std::{fmt::Write as _, slice::from_ref};

    use super::*;
    use crate::pipeline::Silent;

    fn view() -> View {
        View::compile(
            r#"{"resource": "Patient", "select": [{"column": [
                {"name": "id", "path": "id", "type": "id"},
                {"name": "n", "path": "multipleBirth.ofType(integer)", "type": "integer"},
                {"name": "x", "path": "name.given", "type": "string", "collection": true}]}]}"#,
        )
        .unwrap()
    }

    /// Four megabytes of patients; each 1000th line is broken.
    fn patients() -> String {
        let mut text = String::new();
        for n in 1..=40_000 {
            if n % 1000 == 0 {
                text.push_str("{broken\n");
            } else {
                let name = r#"[{"given":["a","\"b\""]},{"given":["c"]}]"#;
                let body = format!(r#""id":"p{n}","multipleBirthInteger":{n},"name":{name}"#);
                writeln!(text, r#"{{"resourceType":"Patient",{body}}}"#).unwrap();
            }
        }
        text
    }

    fn export(threads: usize) -> Export {
        Export { digests: true, threads }
    }

    #[test]
    fn many_threads_write_what_one_writes_and_faults_keep_their_lines() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.ndjson");
        std::fs::write(&file, patients()).unwrap();
        for end in ["csv", "ndjson", "parquet"] {
            let mut faults = Vec::new();
            let mut texts = Vec::new();
            for threads in [1, 3] {
                let out = dir.path().join(format!("{threads}.{end}"));
                let done = run(&view(), from_ref(&file), &out, export(threads), &Silent).unwrap();
                assert_eq!((done.resources, done.rows, done.faults), (39_960, 39_960, 40));
                faults.push(std::fs::read_to_string(done.faults_file.unwrap()).unwrap());
                texts.push(std::fs::read(&out).unwrap());
                assert!(!dir.path().join(format!("{threads}.{end}.partial")).exists());
            }
            assert_eq!(faults[0], faults[1], "a part counts its lines from its own beginning");
            assert!(faults[0].lines().nth(39).unwrap().contains(r#""line":40000"#));
            if end != "parquet" {
                assert_eq!(texts[0], texts[1], "rows come in another order");
            }
        }
        let csv = std::fs::read_to_string(dir.path().join("1.csv")).unwrap();
        assert!(csv.lines().nth(1).unwrap().starts_with(r#"p1,1,"[""a"",""\""b\"""",""c""]","#));
        let json = std::fs::read_to_string(dir.path().join("1.ndjson")).unwrap();
        let first = r#"{"id":"p1","n":1,"x":["a","\"b\"","c"],"_sha256":""#;
        assert!(json.starts_with(first), "columns lost their order");
    }

    #[test]
    fn an_error_leaves_no_table_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("a.ndjson");
        std::fs::write(&good, patients()).unwrap();
        let cut = dir.path().join("b.ndjson.zst");
        let packed = zstd::encode_all(patients().as_bytes(), 3).unwrap();
        std::fs::write(&cut, &packed[..packed.len() / 2]).unwrap();
        let out = dir.path().join("o.parquet");
        let error = run(&view(), &[good.clone(), cut, good], &out, export(2), &Silent).unwrap_err();
        assert!(matches!(error, Error::Source(source::Error::Truncated { .. })), "{error}");
        assert!(!out.exists(), "half a table would be taken for a whole one");
        assert!(!dir.path().join("o.parquet.partial").exists(), "half a table stayed");
        let named = run(&view(), &[dir.path().join("x.txt")], &out, export(1), &Silent);
        assert!(matches!(named.unwrap_err(), Error::InputName { .. }));
        let missing = run(&view(), &[dir.path().join("x.ndjson")], &out, export(1), &Silent);
        assert!(missing.is_err());
    }

    #[test]
    fn faults_of_a_run_before_do_not_stay() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("p.ndjson");
        let out = dir.path().join("o.csv");
        std::fs::write(&file, "{broken\n").unwrap();
        let done = run(&view(), from_ref(&file), &out, export(1), &Silent).unwrap();
        let faults = done.faults_file.unwrap();
        assert!(faults.exists());
        std::fs::write(&file, r#"{"resourceType":"Patient","id":"a"}"#).unwrap();
        let done = run(&view(), &[file], &out, export(1), &Silent).unwrap();
        assert!(done.faults_file.is_none() && !faults.exists(), "rows that are well look bad");
    }
}
