//! The head of a request, read strictly: a head that two programs could read in two ways is refused.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// The longest head, in bytes.
const HEAD_MAX: usize = 16 * 1024;

/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// The head of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    /// The value of `Proxy-Authorization`, if there is exactly one.
    pub(super) authorization: Option<Vec<u8>>,
    /// `true` if a body follows.
    pub(super) has_body: bool,
    /// All bytes of the head, with the empty line.
    pub(super) bytes: Vec<u8>,
    /// The bytes that came after the head.
    pub(super) rest: Vec<u8>,
}

/// A head that is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHead {
    /// The client closed the connection, or it broke.
    Gone,
    /// The head did not come in time.
    Slow,
    /// The head is too long.
    Long,
    /// The head has a form that is refused.
    Form(&'static str),
}

/// Reads a head.
pub(super) async fn read(client: &mut (impl AsyncRead + Unpin), limit: Duration) -> Result<Head, BadHead> {
    timeout(limit, read_all(client)).await.unwrap_or(Err(BadHead::Slow))
}

async fn read_all(client: &mut (impl AsyncRead + Unpin)) -> Result<Head, BadHead> {
    let mut bytes = Vec::with_capacity(1024);
    let mut checked = 0;
    loop {
        let room = (HEAD_MAX - bytes.len()) as u64;
        let count = client.take(room).read_buf(&mut bytes).await.map_err(|_| BadHead::Gone)?;
        if let Some(end) = end_of_head(&bytes, &mut checked)? {
            let rest = bytes.split_off(end);
            return parse(bytes, rest);
        }
        if bytes.len() >= HEAD_MAX {
            return Err(BadHead::Long);
        }
        if count == 0 {
            return Err(BadHead::Gone);
        }
    }
}

/// Returns the end of the head. Refuses line ends that are not CR LF, and NUL. `checked` is the number of bytes that are looked at.
fn end_of_head(bytes: &[u8], checked: &mut usize) -> Result<Option<usize>, BadHead> {
    while let Some(byte) = bytes.get(*checked) {
        let before = checked.checked_sub(1).and_then(|index| bytes.get(index));
        match (before, byte) {
            (_, 0) => return Err(BadHead::Form("the head holds a NUL byte")),
            (Some(b'\r'), b'\n') => {}
            (Some(b'\r'), _) | (_, b'\n') => {
                return Err(BadHead::Form("a line of the head does not end with CR LF"));
            }
            _ => {}
        }
        *checked += 1;
        if bytes[..*checked].ends_with(b"\r\n\r\n") {
            return Ok(Some(*checked));
        }
    }
    Ok(None)
}

fn parse(bytes: Vec<u8>, rest: Vec<u8>) -> Result<Head, BadHead> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    // httparse refuses folded lines, spaces around names, and control characters.
    match request.parse(&bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(BadHead::Form("the head has too many headers")),
        _ => return Err(BadHead::Form("the head is not the head of an HTTP/1.1 request")),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(BadHead::Form("the head has no request line"));
    };
    let all = |name: &str| {
        let fits = |header: &&httparse::Header<'_>| header.name.eq_ignore_ascii_case(name);
        request.headers.iter().filter(fits).map(|header| header.value).collect::<Vec<_>>()
    };
    let (lengths, encodings) = (all("content-length"), all("transfer-encoding"));
    let is_number =
        |value: &[u8]| !value.is_empty() && value.len() < 19 && value.iter().all(u8::is_ascii_digit);
    match (&lengths[..], &encodings[..]) {
        ([], []) => {}
        ([length], []) if is_number(length) => {}
        ([], [encoding]) if encoding.eq_ignore_ascii_case(b"chunked") && version == 1 => {}
        ([_, ..], [_, ..]) => {
            return Err(BadHead::Form("the head has both Content-Length and Transfer-Encoding"));
        }
        ([_, _, ..], _) => return Err(BadHead::Form("the head has several Content-Length headers")),
        _ => return Err(BadHead::Form("the head has no usable length of the body")),
    }
    if all("host").len() > 1 {
        return Err(BadHead::Form("the head has several Host headers"));
    }
    let authorization = match all("proxy-authorization")[..] {
        [value] => Some(value.to_vec()),
        _ => None,
    };
    let has_body = lengths.first().is_some_and(|length| length.iter().any(|digit| *digit != b'0'))
        || !encodings.is_empty();
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Head { method, target, authorization, has_body, bytes, rest })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    async fn read_text(text: &[u8]) -> Result<Head, BadHead> {
        read(&mut &*text, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn a_head_ends_at_its_empty_line() {
        let head = read_text(b"POST http://h/ HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabcGET")
            .await
            .unwrap();
        assert_eq!((head.method.as_str(), head.target.as_str()), ("POST", "http://h/"));
        assert_eq!((head.has_body, head.rest), (true, b"abcGET".to_vec()));
    }

    #[rstest]
    #[case::two_lengths("Content-Length: 1\r\nContent-Length: 2\r\n")]
    #[case::equal_lengths("Content-Length: 1\r\nContent-Length: 1\r\n")]
    #[case::length_list("Content-Length: 1, 1\r\n")]
    #[case::signed_length("Content-Length: +1\r\n")]
    #[case::long_length("Content-Length: 99999999999999999999\r\n")]
    #[case::both("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n")]
    #[case::both_turned("transfer-encoding: chunked\r\ncontent-length: 1\r\n")]
    #[case::other_encoding("Transfer-Encoding: gzip, chunked\r\n")]
    #[case::hidden_encoding("Transfer-Encoding: xchunked\r\n")]
    #[case::two_encodings("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n")]
    #[case::tab_encoding("Transfer-Encoding:\x0bchunked\r\n")]
    #[case::space_before_colon("Content-Length : 1\r\n")]
    #[case::folded("X: a\r\n b\r\n")]
    #[case::folded_encoding("Transfer-Encoding:\r\n chunked\r\n")]
    #[case::nul("X: a\0b\r\n")]
    #[case::bare_lf("X: a\nTransfer-Encoding: chunked\r\n")]
    #[case::bare_cr("X: a\rTransfer-Encoding: chunked\r\n")]
    #[case::two_hosts("Host: b\r\nHost: c\r\n")]
    #[case::no_name(": a\r\n")]
    #[case::control("X: a\x01\r\n")]
    #[tokio::test]
    async fn heads_with_two_readings_are_refused(#[case] headers: &str) {
        let text = format!("GET http://h/ HTTP/1.1\r\n{headers}\r\n");
        let found = read_text(text.as_bytes()).await;
        assert!(matches!(found, Err(BadHead::Form(_))), "{found:?}");
    }

    #[rstest]
    #[case("GET  http://h/ HTTP/1.1\r\n\r\n")]
    #[case("GET http://h/ x HTTP/1.1\r\n\r\n")]
    #[case("GET http://h/ HTTP/2.0\r\n\r\n")]
    #[case("GET http://h/\r\n\r\n")]
    #[case("GET http://h/\0 HTTP/1.1\r\n\r\n")]
    #[case("\x16\x03\x01\x02\x00\x01\r\n\r\n")]
    #[tokio::test]
    async fn other_request_lines_are_refused(#[case] text: &str) {
        let found = read_text(text.as_bytes()).await;
        assert!(matches!(found, Err(BadHead::Form(_))), "{found:?}");
    }

    #[tokio::test]
    async fn a_head_has_limits() {
        let long = format!("GET http://h/ HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(HEAD_MAX));
        assert_eq!(read_text(long.as_bytes()).await, Err(BadHead::Long));
        let many = format!("GET http://h/ HTTP/1.1\r\n{}\r\n", "X: a\r\n".repeat(HEADERS_MAX + 1));
        assert!(matches!(read_text(many.as_bytes()).await, Err(BadHead::Form(_))));
        assert_eq!(read_text(b"GET http://h/ HTTP/1.1\r\n").await, Err(BadHead::Gone));
    }

    proptest! {
        #[test]
        fn no_bytes_break_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut checked = 0;
            if let Ok(Some(end)) = end_of_head(&bytes, &mut checked) {
                let _ = parse(bytes[..end].to_vec(), bytes[end..].to_vec());
            }
        }
    }
}
