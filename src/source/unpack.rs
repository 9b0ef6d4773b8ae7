//! Reads a file that may be compressed: gzip or Zstandard, told by its first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::GzDecoder;

/// How much of the compressed file is read at once.
const READ_BYTES: usize = 256 << 10;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// gzip, RFC 1952.
    Gzip,
    /// Zstandard, RFC 8878: frames, among which may be skippable ones.
    Zstandard,
}

impl Packing {
    /// What the first bytes of a file say; `None` where it is not compressed.
    pub fn of(head: &[u8]) -> Option<Packing> {
        match head {
            [0x1f, 0x8b, 8, ..] => Some(Packing::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Packing::Zstandard),
            _ => None,
        }
    }
}

/// The first bytes of `file`, as many as [`Packing::of`] needs, if it is one that can be read from any place.
pub fn packing(file: &File) -> Option<Packing> {
    let mut head = [0; 4];
    let read = rustix::io::pread(file, &mut head, 0).ok()?;
    Packing::of(&head[..read])
}

/// What is in a compressed file, its members one after the other.
pub fn unpack(file: File, packing: Packing, progress: Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let file = BufReader::with_capacity(READ_BYTES, Counted { file, progress });
    Ok(match packing {
        Packing::Gzip => Box::new(Members { member: Some(GzDecoder::new(file)) }),
        Packing::Zstandard => Box::new(zstd::stream::read::Decoder::with_buffer(file)?),
    })
}

/// Counts what is read of a file.
struct Counted {
    file: File,
    progress: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(into)?;
        self.progress.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The members of a gzip file. Zeros after the last one are what some tools fill up the last block with.
struct Members<R> {
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while let Some(mut member) = self.member.take() {
            let read = member.read(into)?;
            if read > 0 || into.is_empty() {
                self.member = Some(member);
                return Ok(read);
            }
            let mut rest = member.into_inner();
            if !skip_zeros(&mut rest)? {
                self.member = Some(GzDecoder::new(rest));
            }
        }
        Ok(0)
    }
}

/// Passes zeros; says whether that was all.
fn skip_zeros(rest: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = rest.fill_buf()?;
        if bytes.is_empty() {
            return Ok(true);
        }
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let all = zeros == bytes.len();
        rest.consume(zeros);
        if !all {
            return Ok(false);
        }
    }
}

#[cfg(test)]
pub mod tests {
    use std::io::Write;

    use super::*;

    pub fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    pub fn zstandard(text: &[u8]) -> Vec<u8> {
        zstd::stream::encode_all(text, 1).unwrap()
    }

    /// What is read of a file with these bytes, and how that ends.
    fn read(bytes: &[u8]) -> (Vec<u8>, io::Result<()>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let packing = packing(&file).unwrap();
        let progress = Arc::new(AtomicU64::new(0));
        let mut unpacked = unpack(file, packing, Arc::clone(&progress)).unwrap();
        let mut out = Vec::new();
        let end = unpacked.read_to_end(&mut out).map(|_| ());
        assert!(end.is_err() || progress.load(Ordering::Relaxed) == bytes.len() as u64);
        (out, end)
    }

    #[test]
    fn members_are_read_one_after_the_other() {
        for pack in [gzip, zstandard] {
            let (text, end) = read(&[pack(b"one\ntw"), pack(b""), pack(b"o\nthree")].concat());
            end.unwrap();
            assert_eq!(text, b"one\ntwo\nthree");
        }
    }

    #[test]
    fn what_is_there_of_a_truncated_file_is_read() {
        let text: Vec<u8> =
            (0..100_000_u32).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        for pack in [gzip, zstandard] {
            let packed = pack(&text);
            let (out, end) = read(&packed[..packed.len() / 2]);
            assert_eq!(end.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
            assert!(out.len() > text.len() / 10 && text.starts_with(&out));
        }
    }

    #[test]
    fn zeros_may_follow_gzip_and_anything_else_is_a_fault() {
        assert!(read(&[gzip(b"one\n"), vec![0; 1000]].concat()).1.is_ok());
        let (text, end) = read(&[gzip(b"one\n"), b"garbage".to_vec()].concat());
        assert_eq!(text, b"one\n");
        end.unwrap_err();
    }

    #[test]
    fn plain_files_are_told_from_compressed_ones() {
        assert_eq!(Packing::of(b"plain"), None);
        assert_eq!(Packing::of(b""), None);
        assert_eq!(Packing::of(&gzip(b"")), Some(Packing::Gzip));
        assert_eq!(Packing::of(&zstandard(b"")), Some(Packing::Zstandard));
    }
}
