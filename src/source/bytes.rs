//! Opens a file's bytes, decompressed by what they are and not by what the name says.
//!
//! Comes in: a path. Goes out: a reader that counts, and errors that name the file and the place.
//! Never: a cut-off stream taken for a short file.

use std::{
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::{Error, Format, Part};

/// What the first bytes of a file say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    Plain,
    Gzip,
    Zstd,
}

impl Compression {
    fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// Returns the file's size.
pub(super) fn size(file: &Path) -> Result<u64, Error> {
    let meta = std::fs::metadata(file).map_err(|source| io_error(file, source))?;
    Ok(meta.len())
}

/// Makes an [`Error::Io`].
pub(super) fn io_error(file: &Path, source: io::Error) -> Error {
    Error::Io { file: file.to_owned(), source }
}

/// Opens a file and looks at its first bytes; an empty one, or one that is plainly of another
/// format, is an error.
pub(super) fn open(file: &Path, format: Format) -> Result<(File, Compression, u64), Error> {
    let mut opened = File::open(file).map_err(|source| io_error(file, source))?;
    let size = opened.metadata().map_err(|source| io_error(file, source))?.len();
    if size == 0 {
        return Err(Error::Empty { file: file.to_owned() });
    }
    let mut head = Vec::with_capacity(4);
    (&mut opened).take(4).read_to_end(&mut head).map_err(|source| io_error(file, source))?;
    opened.seek(SeekFrom::Start(0)).map_err(|source| io_error(file, source))?;
    let compression = Compression::of(&head);
    let found = match (head.as_slice(), format) {
        (b"PAR1", Format::Parquet) => None,
        (_, Format::Parquet) => Some("no Parquet file by its first bytes"),
        (b"PAR1", _) => Some("a Parquet file"),
        ([0xff, 0xfe, ..] | [0xfe, 0xff, ..], _) => Some("UTF-16 text"),
        (b"PK\x03\x04", _) => Some("a ZIP archive"),
        (_, _) => None,
    };
    match found {
        Some(found) => Err(Error::Format { file: file.to_owned(), wanted: format.word(), found }),
        None => Ok((opened, compression, size)),
    }
}

/// The content of a file, or of a range of a plain one, and how much of it has been read.
pub(super) struct Content {
    file: PathBuf,
    compression: Compression,
    inner: Box<dyn Read>,
    bytes: u64,
}

impl Content {
    /// Opens the whole content.
    pub(super) fn whole(
        file: &Path,
        opened: File,
        compression: Compression,
    ) -> Result<Self, Error> {
        let inner: Box<dyn Read> = match compression {
            Compression::Plain => Box::new(opened),
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(
                io::BufReader::with_capacity(1 << 17, opened),
            )),
            Compression::Zstd => Box::new(
                zstd::stream::read::Decoder::new(opened)
                    .map_err(|source| io_error(file, source))?,
            ),
        };
        Ok(Self { file: file.to_owned(), compression, inner, bytes: 0 })
    }

    /// Opens the bytes of a part.
    pub(super) fn part(file: &Path, mut opened: File, part: &Part) -> Result<Self, Error> {
        opened.seek(SeekFrom::Start(part.start())).map_err(|source| io_error(file, source))?;
        let inner = Box::new(opened.take(part.end().saturating_sub(part.start())));
        Ok(Self { file: file.to_owned(), compression: Compression::Plain, inner, bytes: 0 })
    }

    /// Fills as much of the buffer as one call gives; 0 is the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        loop {
            match self.inner.read(buffer) {
                Ok(count) => {
                    self.bytes += count as u64;
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.error(error)),
            }
        }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    fn error(&self, source: io::Error) -> Error {
        let (file, compression, bytes) = (self.file.clone(), self.compression.word(), self.bytes);
        match (self.compression, source.kind()) {
            (Compression::Plain, _) => Error::Io { file, source },
            (Compression::Gzip | Compression::Zstd, io::ErrorKind::UnexpectedEof) => {
                Error::Truncated { file, compression, bytes }
            }
            (Compression::Gzip | Compression::Zstd, _) => {
                Error::Damaged { file, compression, bytes, source }
            }
        }
    }
}
