//! A parser for streams of server-sent events, as the HTML standard defines them. It takes pieces of any size.

/// The longest line and the longest event, in bytes.
pub(crate) const EVENT_MAX: usize = 1024 * 1024;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SseEvent {
    /// The name in `event:`. Empty if there is none.
    pub(crate) name: String,
    /// The lines of `data:`, joined by newlines.
    pub(crate) data: Vec<u8>,
}

/// A line or an event exceeds [`EVENT_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line or an event is longer than {EVENT_MAX} bytes")]
pub(crate) struct TooLong;

/// The state of the parser between two pieces.
#[derive(Debug, Default)]
pub(crate) struct SseParser {
    line: Vec<u8>,
    event: SseEvent,
    has_data: bool,
    /// The last byte was `\r`: a `\n` that follows belongs to it.
    after_carriage_return: bool,
    after_first_line: bool,
}

impl SseParser {
    /// Takes a piece and returns the events that it completes.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<Vec<SseEvent>, TooLong> {
        let mut events = Vec::new();
        while let Some(&first) = piece.first() {
            if std::mem::take(&mut self.after_carriage_return) && first == b'\n' {
                piece = &piece[1..];
                continue;
            }
            let Some(end) = piece.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.extend_line(piece)?;
                break;
            };
            self.extend_line(&piece[..end])?;
            self.after_carriage_return = piece[end] == b'\r';
            piece = &piece[end + 1..];
            self.end_line(&mut events)?;
        }
        Ok(events)
    }

    /// Ends the stream. Returns the last event if the server left out the empty line after it.
    pub(crate) fn finish(mut self) -> Result<Option<SseEvent>, TooLong> {
        let mut events = Vec::new();
        if !self.line.is_empty() {
            self.end_line(&mut events)?;
        }
        Ok(self.has_data.then_some(self.event))
    }

    fn extend_line(&mut self, piece: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + piece.len() > EVENT_MAX {
            return Err(TooLong);
        }
        self.line.extend_from_slice(piece);
        Ok(())
    }

    fn end_line(&mut self, events: &mut Vec<SseEvent>) -> Result<(), TooLong> {
        let line = std::mem::take(&mut self.line);
        let mut rest = line.as_slice();
        if !std::mem::replace(&mut self.after_first_line, true) {
            rest = rest.strip_prefix("\u{feff}".as_bytes()).unwrap_or(rest);
        }
        if rest.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return Ok(());
        }
        let (name, value) = match rest.iter().position(|&byte| byte == b':') {
            Some(colon) => (&rest[..colon], &rest[colon + 1..]),
            None => (rest, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => {
                if self.event.data.len() + value.len() >= EVENT_MAX {
                    return Err(TooLong);
                }
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => self.event.name = String::from_utf8_lossy(value).into_owned(),
            // A comment has an empty name. `id` and `retry` serve reconnections, which do not exist here.
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    fn parse(pieces: &[&[u8]]) -> Result<Vec<(String, String)>, TooLong> {
        let mut parser = SseParser::default();
        let mut events = Vec::new();
        for piece in pieces {
            events.extend(parser.push(piece)?);
        }
        events.extend(parser.finish()?);
        Ok(events.into_iter().map(|event| (event.name, String::from_utf8(event.data).unwrap())).collect())
    }

    #[rstest]
    #[case("data: a\n\n", &[("", "a")])]
    #[case("data:a\n\n", &[("", "a")])]
    #[case("data:  a\n\n", &[("", " a")])]
    #[case("data: a\r\n\r\ndata: b\r\n\r\n", &[("", "a"), ("", "b")])]
    #[case("data: a\r\ndata: b\r\n\r\n", &[("", "a\nb")])]
    #[case("data: a\r\rdata: b\r\r", &[("", "a"), ("", "b")])]
    #[case("\u{feff}data: a\n\n", &[("", "a")])]
    #[case(": ping\n\ndata: a\n: c\ndata: b\n\n", &[("", "a\nb")])]
    #[case("event: error\ndata: x\n\n", &[("error", "x")])]
    #[case("event: ping\n\ndata: x\n\n", &[("", "x")])]
    #[case("id: 7\nretry: 10\ndata\n\n", &[("", "")])]
    #[case("data: a\n\ndata: [DONE]", &[("", "a"), ("", "[DONE]")])]
    #[case("", &[])]
    fn every_form_of_lines_is_read(#[case] text: &str, #[case] expected: &[(&str, &str)]) {
        let expected: Vec<_> =
            expected.iter().map(|(name, data)| ((*name).to_owned(), (*data).to_owned())).collect();
        assert_eq!(parse(&[text.as_bytes()]).unwrap(), expected);
    }

    #[test]
    fn lines_and_events_over_the_limit_are_refused() {
        let line = vec![b'x'; 10 * EVENT_MAX];
        assert_eq!(parse(&[b"data: ", &line]), Err(TooLong));
        let half = [b"data: ".as_slice(), &vec![b'x'; EVENT_MAX / 2 + 1], b"\n"].concat();
        assert_eq!(parse(&[&half, &half]), Err(TooLong));
    }

    proptest! {
        #[test]
        fn cuts_do_not_change_the_events(
            lines in prop::collection::vec("(data: ?|data|event: |: |id: |)[a-zé]{0,4}", 0..12),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r\n", "\r"]), 12),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [line.as_str(), end]).collect();
            let bytes = text.as_bytes();
            let whole = parse(&[bytes]).unwrap();
            let single: Vec<_> = bytes.chunks(1).collect();
            prop_assert_eq!(&parse(&single).unwrap(), &whole);
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            places.extend([0, bytes.len()]);
            places.sort_unstable();
            let pieces: Vec<_> = places.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(&parse(&pieces).unwrap(), &whole);
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut parser = SseParser::default();
            prop_assert!(parser.push(&bytes).is_ok());
            prop_assert!(parser.finish().is_ok());
        }
    }
}
