// SPDX-License-Identifier: AGPL-3.0-or-later
//! From compressed to plain, on a thread of its own. What an image is packed with is known by its first bytes.

use std::io::{self, BufRead, Read};

use super::pipe::{PipeReader, PipeWriter};

/// The largest window of a zstd frame that is taken, as a power of two: what `zstd --long` makes (128 MiB).
const ZSTD_WINDOW: u32 = 27;

/// Packs and unpacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Packed {
    Plain,
    Gzip,
    Zstd,
}

/// Moves everything from one pipe to the next. The input is read to its end whatever happens, because only then its
/// digest is known; not so when nobody wants the output any more.
pub(super) fn unpack_into(mut from: PipeReader, mut to: PipeWriter) -> io::Result<()> {
    let outcome = transfer(&mut from, &mut to);
    match outcome {
        Ok(()) => to.end(),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(error),
        Err(error) => {
            drop(to);
            from.drain()?;
            Err(error)
        }
    }
}

fn transfer(from: &mut PipeReader, to: &mut PipeWriter) -> io::Result<()> {
    let mut source: Box<dyn Read + '_> = match packed(from.fill_buf()?) {
        Packed::Plain => Box::new(&mut *from),
        Packed::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(&mut *from)),
        Packed::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(&mut *from)?;
            decoder.window_log_max(ZSTD_WINDOW)?;
            Box::new(decoder)
        }
    };
    while to.fill(&mut source)? {}
    drop(source);
    from.drain()
}

fn packed(start: &[u8]) -> Packed {
    match start {
        [0x1f, 0x8b, ..] => Packed::Gzip,
        // A frame, or one to be skipped in front of it (RFC 8878, 3.1).
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Packed::Zstd,
        _ => Packed::Plain,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::pipe::pipe;
    use super::*;

    fn through(bytes: Vec<u8>) -> (io::Result<()>, io::Result<Vec<u8>>) {
        let (mut writer, reader) = pipe();
        let (plain, mut out) = pipe();
        let feed = std::thread::spawn(move || writer.write(&bytes).and_then(|()| writer.end()));
        let middle = std::thread::spawn(move || unpack_into(reader, plain));
        let mut read = Vec::new();
        let outcome = out.read_to_end(&mut read).map(|_| read);
        let middle = middle.join().expect("whole");
        feed.join().expect("whole").expect("the input was read to its end");
        (middle, outcome)
    }

    fn content() -> Vec<u8> {
        (0..700_000u32).flat_map(|at| (at / 3).to_le_bytes()).collect()
    }

    #[test]
    fn plain_gzip_and_zstd_come_out_the_same() {
        let plain = content();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&plain).expect("packed");
        let two_frames = [
            zstd::encode_all(&plain[..1000], 1).expect("packed"),
            zstd::encode_all(&plain[1000..], 1).expect("packed"),
        ];
        for packed in [plain.clone(), gzip.finish().expect("packed"), two_frames.concat()] {
            let (middle, out) = through(packed);
            middle.expect("unpacked");
            assert!(out.expect("read") == plain);
        }
    }

    #[test]
    fn a_stream_that_is_damaged_is_an_error_and_is_read_to_its_end_all_the_same() {
        // gzip has a checksum of its own; zstd has one only where it was asked for, and the digest sees the rest.
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&content()).expect("packed");
        let mut packed = packed.finish().expect("packed");
        let middle = packed.len() / 2;
        for byte in &mut packed[middle..middle + 64] {
            *byte ^= 0x5a;
        }
        let (middle, out) = through(packed);
        assert!(middle.is_err() && out.is_err());
    }

    #[test]
    fn a_stream_that_ends_too_early_is_an_error() {
        let packed = zstd::encode_all(content().as_slice(), 1).expect("packed");
        let (middle, out) = through(packed[..packed.len() - 5].to_vec());
        assert!(middle.is_err() && out.is_err());
    }
}
