//! The pictures of `--image`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hermes_agent::message::Block;
use hermes_operations::{Report, ReportKind};
use hermes_os::whole_file;

/// The largest picture, in bytes. Providers refuse larger requests.
const IMAGE_MAX: u64 = 20 * 1024 * 1024;

/// Reads a picture. A symlink is followed. Anything but a regular file is refused, and never blocks.
///
/// # Errors
/// Fails if the file cannot be read, is no regular file, is larger than 20 MiB, or is no PNG, JPEG, GIF or WebP.
pub(crate) fn block(path: &Path) -> Result<Block, Report> {
    let what = || format!("failed to attach the picture {}", path.display());
    let bytes = match whole_file::read(path, IMAGE_MAX) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => {
            return Err(Report::new(ReportKind::NotFound, what())
                .cause("the file does not exist")
                .hint("give --image the path of a file in this container"));
        }
        Err(error) => {
            return Err(Report::new(ReportKind::Failed, what())
                .caused_by(error)
                .hint("give --image a readable file of at most 20 MiB"));
        }
    };
    let Some(media_type) = media_type(&bytes) else {
        return Err(Report::new(ReportKind::Invalid, what())
            .cause("it is no PNG, JPEG, GIF or WebP")
            .hint("convert it to PNG, and try again"));
    };
    Ok(Block::Image { media_type: media_type.to_owned(), data: STANDARD.encode(bytes) })
}

/// Returns the media type by the first bytes: RFC 2083 (PNG), ITU-T T.81 (JPEG), GIF89a, RFC 9649 (WebP). The name of a file may lie.
fn media_type(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use rstest::rstest;
    use tempfile::TempDir;

    use super::*;

    fn file(contents: &[u8]) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("picture");
        fs::write(&path, contents).expect("written");
        (directory, path)
    }

    #[rstest]
    #[case(b"\x89PNG\r\n\x1a\nrest", "image/png")]
    #[case(b"\xff\xd8\xff\xe0", "image/jpeg")]
    #[case(b"GIF87a", "image/gif")]
    #[case(b"GIF89a", "image/gif")]
    #[case(b"RIFF\x01\x02\x03\x04WEBPVP8 ", "image/webp")]
    fn a_picture_is_known_by_its_bytes(#[case] contents: &[u8], #[case] expected: &str) {
        let (directory, path) = file(contents);
        let link = directory.path().join("link.txt");
        symlink(&path, &link).expect("linked");
        let data = STANDARD.encode(contents);
        assert_eq!(block(&link).expect("read"), Block::Image { media_type: expected.into(), data });
    }

    #[rstest]
    #[case(b"")]
    #[case(b"\x89PNG")]
    #[case(b"RIFF\x01\x02\x03\x04WAVE")]
    #[case(b"<svg/>")]
    fn another_file_is_refused(#[case] contents: &[u8]) {
        let (_directory, path) = file(contents);
        let report = block(&path).expect_err("no picture");
        assert_eq!(report.causes, ["it is no PNG, JPEG, GIF or WebP"]);
        assert!(report.hint.is_some());
    }

    #[test]
    fn a_fifo_a_directory_and_a_dangling_link_are_refused() {
        let (directory, _) = file(b"");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRUSR).expect("a FIFO");
        let dangling = directory.path().join("dangling");
        symlink("missing", &dangling).expect("linked");
        for path in [fifo, directory.path().to_owned(), dangling] {
            assert_eq!(block(&path).expect_err("refused").kind, ReportKind::Failed, "{path:?}");
        }
        let missing = block(&directory.path().join("missing")).expect_err("missing");
        assert_eq!(missing.kind, ReportKind::NotFound);
    }

    #[test]
    fn a_picture_over_the_limit_is_refused() {
        let (_directory, path) = file(b"\x89PNG\r\n\x1a\n");
        let sparse = File::options().write(true).open(&path).expect("opened");
        sparse.set_len(IMAGE_MAX).expect("grown");
        assert!(block(&path).is_ok());
        sparse.set_len(IMAGE_MAX + 1).expect("grown");
        let report = block(&path).expect_err("too large");
        insta::assert_snapshot!(report.lines().join("\n").replace(path.to_str().expect("UTF-8"), "PICTURE"));
    }
}
