//! The lines that wait for one stream of the container, in bounded memory.

use std::collections::VecDeque;

/// The bytes of whole lines that wait at most, beside one marker of lost lines.
pub(super) const CAPACITY: usize = 1 << 20;

/// The longest line that stays whole, in bytes; a longer one goes on in pieces of this size.
pub(super) const LONGEST_LINE: usize = 64 * 1024;

/// The most that is written at once: `PIPE_BUF`. Up to here the kernel keeps a write to a pipe whole (pipe(7)), so that the
/// container's command, which writes to the same pipe, never lands inside a line.
pub(super) const CHUNK: usize = 4096;

/// An empty queue gives back what is above this, in bytes.
const KEPT: usize = 64 * 1024;

/// The place of the next byte that comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    LineStart,
    /// In a line whose first piece waits in the queue, or was written.
    TakenLine,
    /// In a line whose first piece was dropped.
    DroppedLine,
}

/// Lines between a writer that never waits and a reader that may.
///
/// A line is kept or dropped as a whole. A queue that is full drops its oldest lines until it is half empty, so that the last
/// words before a crash arrive; a marker with the number of dropped lines stands in their place.
#[derive(Debug)]
pub(super) struct Queue {
    waiting: VecDeque<u8>,
    /// The begin of a line whose end did not come yet.
    unfinished: Vec<u8>,
    place: Place,
    /// The last chunk ended inside a line, which goes on at the front of `waiting`.
    open: bool,
    /// The lines that were dropped between the last written line and the first that waits.
    dropped: u64,
    /// The stream is gone: nothing is kept for it.
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            unfinished: Vec::new(),
            place: Place::LineStart,
            open: false,
            dropped: 0,
            closed: false,
        }
    }

    /// Takes what a writer wrote.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        // Most of what comes is whole lines: they are taken at one go. Whoever reads slowly lets the pipe fill up, and two
        // loggers that write to a full pipe cut each other's lines.
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let at_once = self.unfinished.is_empty() && self.place == Place::LineStart && whole <= LONGEST_LINE;
        let (lines, bytes) = bytes.split_at(if at_once { whole } else { 0 });
        if !lines.is_empty() {
            self.make_room(lines.len());
            self.waiting.extend(lines);
        }
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            for piece in piece.chunks(LONGEST_LINE) {
                if self.unfinished.len() + piece.len() > LONGEST_LINE {
                    self.settle_unfinished();
                }
                self.unfinished.extend_from_slice(piece);
            }
            if self.unfinished.ends_with(b"\n") {
                self.settle_unfinished();
            }
        }
    }

    /// Whether a line waits for its end.
    pub(super) fn has_unfinished(&self) -> bool {
        !self.unfinished.is_empty()
    }

    /// Queues the begin of a line without waiting for its end.
    pub(super) fn settle_unfinished(&mut self) {
        let Some(&last) = self.unfinished.last() else { return };
        if self.place != Place::DroppedLine {
            self.make_room(self.unfinished.len());
        }
        if self.place != Place::DroppedLine {
            self.waiting.extend(&self.unfinished);
            self.place = Place::TakenLine;
        }
        if last == b'\n' {
            self.place = Place::LineStart;
        }
        self.unfinished.clear();
    }

    /// Drops the oldest lines where so many bytes find no room.
    fn make_room(&mut self, length: usize) {
        let excess = (self.waiting.len() + length).saturating_sub(CAPACITY / 2);
        if self.waiting.len() + length <= CAPACITY {
            return;
        }
        let all = self.waiting.make_contiguous();
        let line_end =
            |from: usize| all[from..].iter().position(|&byte| byte == b'\n').map(|at| from + at + 1);
        // The rest of a line that is half written goes out, if its end is there.
        let open_end = if self.open { line_end(0) } else { Some(0) };
        let start = open_end.unwrap_or(0);
        let enough = (start + excess).min(all.len());
        let end = line_end(enough.saturating_sub(1)).unwrap_or(all.len());
        let removed = &all[start..end];
        let ends_inside_a_line = removed.last().is_some_and(|&byte| byte != b'\n');
        let lines = removed.iter().filter(|&&byte| byte == b'\n').count();
        self.dropped += lines as u64 + u64::from(ends_inside_a_line);
        self.waiting.drain(start..end);
        if ends_inside_a_line {
            self.place = Place::DroppedLine;
        }
        if open_end.is_none() {
            self.waiting.push_front(b'\n');
        }
    }

    /// Moves the next bytes to write into `chunk`: whole lines where they fit into [`CHUNK`] bytes. Leaves it empty when
    /// nothing waits.
    pub(super) fn next_chunk(&mut self, chunk: &mut Vec<u8>) {
        chunk.clear();
        if self.dropped > 0 && !self.open {
            let lines = if self.dropped == 1 { "line was" } else { "lines were" };
            let number = std::mem::take(&mut self.dropped);
            let marker =
                format!("hermes: {number} {lines} dropped: the container's log reader is too slow\n");
            chunk.extend_from_slice(marker.as_bytes());
            return;
        }
        chunk.extend(self.waiting.range(..self.waiting.len().min(CHUNK)));
        let first_end = || chunk.iter().position(|&byte| byte == b'\n');
        let last_end = || chunk.iter().rposition(|&byte| byte == b'\n');
        // A marker is due behind the open line.
        let end = if self.dropped > 0 { first_end() } else { last_end() };
        if let Some(end) = end {
            chunk.truncate(end + 1);
        }
        self.waiting.drain(..chunk.len());
        if let Some(&last) = chunk.last() {
            self.open = last != b'\n';
        }
        if self.waiting.is_empty() && self.waiting.capacity() > KEPT {
            self.waiting = VecDeque::new();
        }
    }

    /// Returns whether everything that was taken is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// The stream is gone: forgets what waits, and takes nothing any more.
    pub(super) fn close(&mut self) {
        *self = Self { closed: true, ..Self::new() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(queue: &mut Queue) -> Vec<u8> {
        let mut all = Vec::new();
        let mut chunk = Vec::new();
        loop {
            queue.next_chunk(&mut chunk);
            if chunk.is_empty() {
                return all;
            }
            assert!(chunk.len() <= CHUNK);
            all.extend_from_slice(&chunk);
        }
    }

    fn number_of_dropped(line: &str) -> Option<u64> {
        let rest = line.strip_prefix("hermes: ")?;
        let (number, rest) = rest.split_once(' ')?;
        rest.ends_with("dropped: the container's log reader is too slow").then(|| number.parse().unwrap())
    }

    #[test]
    fn dropped_lines_are_counted_in_their_place() {
        let mut queue = Queue::new();
        let line = |number: usize| format!("{number:099}\n");
        let fit = CAPACITY / 100;
        (0..fit + 3).for_each(|number| queue.feed(line(number).as_bytes()));
        let text = String::from_utf8(written(&mut queue)).unwrap();
        let (marker, rest) = text.split_once('\n').unwrap();
        let dropped = usize::try_from(number_of_dropped(marker).unwrap()).unwrap();
        let kept: String = (dropped..fit + 3).map(line).collect();
        assert!(rest == kept, "other lines than those after the {dropped} dropped ones");
        assert!((fit / 2..fit / 2 + 10).contains(&dropped), "{dropped}");
        assert!(queue.is_empty());
    }

    #[test]
    fn a_half_written_line_is_finished_before_the_marker() {
        let mut queue = Queue::new();
        let long = [&[b'x'; 6000][..], b"\n"].concat();
        queue.feed(&long);
        let mut chunk = Vec::new();
        queue.next_chunk(&mut chunk);
        assert_eq!(chunk.len(), CHUNK);
        (0..CAPACITY / 8 + 1).for_each(|_| queue.feed(b"a line.\n"));
        let text = String::from_utf8([chunk, written(&mut queue)].concat()).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next().map(str::len), Some(6000));
        assert!(lines.next().and_then(number_of_dropped).is_some());
        assert!(lines.all(|line| line == "a line."));
    }

    #[test]
    fn one_dropped_line_is_told_in_the_singular() {
        let mut queue = Queue::new();
        // One line, in pieces, longer than the queue.
        (0..CAPACITY / 1000 + 100).for_each(|_| queue.feed(&[b'x'; 1000]));
        queue.feed(b"\nafter\n");
        let text = String::from_utf8(written(&mut queue)).unwrap();
        assert_eq!(text, "hermes: 1 line was dropped: the container's log reader is too slow\nafter\n");
    }

    #[test]
    fn a_chunk_ends_where_a_line_ends() {
        let mut queue = Queue::new();
        let line = [&[b'x'; 999][..], b"\n"].concat();
        (0..9).for_each(|_| queue.feed(&line));
        let mut chunk = Vec::new();
        queue.next_chunk(&mut chunk);
        assert_eq!(chunk.len(), 4000);
    }

    #[test]
    fn a_line_without_end_stays_bounded_and_arrives() {
        let mut queue = Queue::new();
        let endless = vec![b'x'; 300_000];
        queue.feed(&endless);
        assert!(queue.unfinished.len() <= LONGEST_LINE);
        queue.settle_unfinished();
        assert_eq!(written(&mut queue), endless);
    }

    #[test]
    fn a_taken_begin_of_a_dropped_line_gets_an_end() {
        let mut queue = Queue::new();
        queue.feed(b"begin ");
        queue.settle_unfinished();
        let mut begin = Vec::new();
        queue.next_chunk(&mut begin);
        while queue.dropped == 0 {
            queue.feed(&[b'x'; 1000]);
        }
        queue.feed(b"of the same line\n");
        let text = String::from_utf8([begin, written(&mut queue)].concat()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2, "{} lines", lines.len());
        assert_eq!(lines[0], "begin ");
        assert_eq!(number_of_dropped(lines[1]), Some(1));
    }

    #[test]
    fn memory_is_given_back_and_a_closed_stream_keeps_nothing() {
        let mut queue = Queue::new();
        (0..200_000).for_each(|_| queue.feed(b"a line\n"));
        assert!(queue.waiting.capacity() <= 2 * CAPACITY);
        written(&mut queue);
        assert!(queue.waiting.capacity() <= KEPT);
        queue.feed(b"a line\n");
        queue.close();
        queue.feed(b"a line\n");
        assert!(queue.is_empty());
    }

    proptest! {
        #[test]
        fn each_line_arrives_whole_or_is_counted(
            steps in proptest::collection::vec((0usize..200_000, 0usize..40_000, any::<bool>()), 1..60),
            cut in 1usize..9000,
        ) {
            let mut queue = Queue::new();
            let mut sent = Vec::new();
            let mut seen = Vec::new();
            let mut chunk = Vec::new();
            for (number, (length, taken, settles)) in steps.into_iter().enumerate() {
                let line = format!("{number}:{}", "y".repeat(length));
                let bytes = [line.as_bytes(), b"\n"].concat();
                bytes.chunks(cut).for_each(|piece| queue.feed(piece));
                if settles {
                    queue.settle_unfinished();
                }
                sent.push(line);
                prop_assert!(queue.waiting.len() <= CAPACITY + 200);
                let mut left = taken;
                while left > 0 {
                    queue.next_chunk(&mut chunk);
                    if chunk.is_empty() {
                        break;
                    }
                    seen.extend_from_slice(&chunk);
                    left = left.saturating_sub(chunk.len());
                }
            }
            seen.extend(written(&mut queue));
            let seen = String::from_utf8(seen).unwrap();
            prop_assert!(seen.ends_with('\n'));
            let mut next = 0;
            for line in seen.lines() {
                if let Some(dropped) = number_of_dropped(line) {
                    next += usize::try_from(dropped).unwrap();
                    continue;
                }
                let whole = &sent[next];
                // A line above the limit may lose its end; it is counted as dropped then.
                if line == whole {
                    next += 1;
                } else {
                    prop_assert!(whole.len() > LONGEST_LINE && whole.starts_with(line));
                }
            }
            prop_assert_eq!(next, sent.len());
        }
    }
}
