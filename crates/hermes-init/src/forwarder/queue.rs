//! The lines that wait for one stream of the container, in bounded memory.

use std::collections::VecDeque;

/// The maximum number of waiting bytes.
pub(super) const CAPACITY: usize = 1 << 20;

/// The maximum size of one write: `PIPE_BUF`. The kernel does not split such a write to a pipe (pipe(7)). So the output of the
/// container's command, which writes to the same pipe, never lands inside a line.
pub(super) const CHUNK: usize = 4096;

/// The capacity that an empty queue keeps, in bytes.
const KEPT: usize = 64 * 1024;

/// Lines between writers that never wait and a reader that may.
///
/// A full queue drops its oldest lines until it is half empty, so that the last words before a crash arrive. A marker with the
/// number of dropped lines takes their place.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<u8>,
    /// The last chunk ended inside a line, which continues at the front of `waiting`.
    open: bool,
    /// The number of lines dropped between the last written line and the first waiting one.
    dropped: u64,
    /// The stream is gone: the queue keeps no lines for it.
    closed: bool,
}

impl Queue {
    /// Adds whole lines, at most half of [`CAPACITY`] at once.
    pub(super) fn feed(&mut self, lines: &[u8]) {
        if !self.closed {
            self.make_room(lines.len());
            self.waiting.extend(lines);
        }
    }

    /// Drops the oldest lines if `length` more bytes do not fit.
    fn make_room(&mut self, length: usize) {
        if self.waiting.len() + length <= CAPACITY {
            return;
        }
        let excess = self.waiting.len() + length - CAPACITY / 2;
        let all = self.waiting.make_contiguous();
        let line_end = |from: usize| {
            let end = all.iter().skip(from).position(|&byte| byte == b'\n');
            end.map_or(all.len(), |at| from + at + 1)
        };
        // The rest of a half-written line stays.
        let start = if self.open { line_end(0) } else { 0 };
        let end = line_end((start + excess).saturating_sub(1));
        self.dropped += all[start..end].iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.waiting.drain(start..end);
    }

    /// Moves the next bytes to write into `chunk`: whole lines if they fit into [`CHUNK`] bytes. Leaves it empty if no line waits.
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
        // The marker comes directly after the open line.
        let end = if self.dropped > 0 {
            chunk.iter().position(|&byte| byte == b'\n')
        } else {
            chunk.iter().rposition(|&byte| byte == b'\n')
        };
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

    /// Tells if no line waits.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }

    /// Forgets the waiting lines and ignores all later ones, since the stream is gone.
    pub(super) fn close(&mut self) {
        *self = Self { closed: true, ..Self::default() };
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

    fn number_of_dropped(line: &str) -> Option<usize> {
        let rest = line.strip_prefix("hermes: ")?;
        let (number, rest) = rest.split_once(' ')?;
        rest.ends_with("dropped: the container's log reader is too slow").then(|| number.parse().unwrap())
    }

    #[test]
    fn marker_with_a_count_replaces_dropped_lines() {
        let mut queue = Queue::default();
        let line = |number: usize| format!("{number:099}\n");
        let fit = CAPACITY / 100;
        (0..fit + 3).for_each(|number| queue.feed(line(number).as_bytes()));
        let text = String::from_utf8(written(&mut queue)).unwrap();
        let (marker, rest) = text.split_once('\n').unwrap();
        let dropped = number_of_dropped(marker).unwrap();
        let kept: String = (dropped..fit + 3).map(line).collect();
        assert!(rest == kept, "other lines than those after the {dropped} dropped ones");
        assert!((fit / 2..fit / 2 + 10).contains(&dropped), "{dropped}");
        assert!(queue.is_empty());
    }

    #[test]
    fn half_written_line_ends_before_the_marker() {
        let mut queue = Queue::default();
        queue.feed(&[&[b'x'; 6000][..], b"\n"].concat());
        let mut chunk = Vec::new();
        queue.next_chunk(&mut chunk);
        assert_eq!(chunk.len(), CHUNK);
        (0..=CAPACITY / 8).for_each(|_| queue.feed(b"a line.\n"));
        let text = String::from_utf8([chunk, written(&mut queue)].concat()).unwrap();
        let mut lines = text.lines();
        assert_eq!(lines.next().map(str::len), Some(6000));
        assert!(lines.next().and_then(number_of_dropped).is_some());
        assert!(lines.all(|line| line == "a line."));
    }

    #[test]
    fn marker_uses_the_singular_for_one_line() {
        let mut queue = Queue::default();
        let large = [&vec![b'x'; CAPACITY - 10][..], b"\n"].concat();
        queue.feed(&large);
        queue.feed(b"the line after\n");
        let text = String::from_utf8(written(&mut queue)).unwrap();
        let marker = "hermes: 1 line was dropped: the container's log reader is too slow\n";
        assert_eq!(text, marker.to_owned() + "the line after\n");
    }

    #[test]
    fn chunk_ends_at_a_line_end() {
        let mut queue = Queue::default();
        let line = [&[b'x'; 999][..], b"\n"].concat();
        (0..9).for_each(|_| queue.feed(&line));
        let mut chunk = Vec::new();
        queue.next_chunk(&mut chunk);
        assert_eq!(chunk.len(), 4000);
    }

    #[test]
    fn empty_queue_frees_memory_and_closed_queue_keeps_no_lines() {
        let mut queue = Queue::default();
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
            steps in proptest::collection::vec((0usize..70_000, 0usize..60_000), 1..80),
        ) {
            let mut queue = Queue::default();
            let mut sent = Vec::new();
            let mut seen = Vec::new();
            let mut chunk = Vec::new();
            for (number, (length, taken)) in steps.into_iter().enumerate() {
                let line = format!("{number}:{}", "y".repeat(length));
                queue.feed(&[line.as_bytes(), b"\n"].concat());
                sent.push(line);
                prop_assert!(queue.waiting.len() <= CAPACITY);
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
            let mut next = 0;
            for line in seen.lines() {
                match number_of_dropped(line) {
                    Some(dropped) => next += dropped,
                    None => {
                        prop_assert!(line == sent[next], "line {next} is another one");
                        next += 1;
                    }
                }
            }
            prop_assert_eq!(next, sent.len());
        }
    }
}
