//! The tool `search_files`: lines of files by a regular expression, or files by a pattern of their names.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use globset::{GlobBuilder, GlobMatcher};
use serde::Deserialize;

use super::failure::Failure;
use super::open::{path_of, shown};
use content::Search;
use walk::Walk;

mod content;
mod walk;

/// The results of a call without `limit`. The Python program has the same number.
const DEFAULT_LIMIT: usize = 50;

/// The most results that are counted.
const COUNTED_MAX: usize = 10_000;

/// The most bytes of an output.
const OUTPUT_BYTES: usize = 50 * 1024;

/// The text that ends a search without result.
const SKIPPED: &str = "Hidden, ignored (.gitignore) and binary files are not searched.";

/// The arguments.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Arguments {
    pattern: String,
    target: Target,
    path: Option<String>,
    file_glob: Option<String>,
    limit: Option<usize>,
    offset: usize,
    output_mode: OutputMode,
    context: usize,
}

/// The objects of a search.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Target {
    /// Lines of files.
    #[default]
    Content,
    /// Names of files.
    Files,
}

/// The form of the result of a search for lines.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum OutputMode {
    /// The lines.
    #[default]
    Content,
    /// The names of the files.
    FilesOnly,
    /// The number of lines of each file.
    Count,
}

/// Runs the tool.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    // The working directory itself is an empty path, so that results are as short as possible.
    let root = match arguments.path.as_deref() {
        None | Some("" | "." | "./") => PathBuf::new(),
        Some(given) => path_of(given.strip_prefix("./").unwrap_or(given))?,
    };
    let mut walk = Walk::new(&root)?;
    let mut page = Page::new(arguments);
    match arguments.target {
        Target::Files => {
            let names = Names::new(&arguments.pattern, &root)?;
            files_by_name(&mut walk, &names, &mut page);
        }
        Target::Content => {
            let names = arguments.file_glob.as_deref().map(|glob| Names::new(glob, &root)).transpose()?;
            let mut search = Search::new(&arguments.pattern, arguments.context)?;
            lines(&mut walk, names.as_ref(), &mut search, arguments.output_mode, &mut page);
        }
    }
    Ok(page.finished(&walk, arguments))
}

/// A pattern of file names. One without `/` is that of a name in any directory.
struct Names {
    matcher: GlobMatcher,
    root: PathBuf,
    is_path: bool,
}

impl Names {
    fn new(pattern: &str, root: &Path) -> Result<Self, Failure> {
        let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
        let glob = GlobBuilder::new(pattern).literal_separator(true).build().map_err(|error| {
            let hint = "patterns are like *.rs, src/**/*.py, {a,b}.txt";
            Failure::refused("read", "the pattern of file names", error.to_string(), hint)
        })?;
        let is_path = pattern.contains('/');
        Ok(Self { matcher: glob.compile_matcher(), root: root.to_owned(), is_path })
    }

    fn matches(&self, path: &Path) -> bool {
        if !self.is_path {
            return self.matcher.is_match(path.file_name().unwrap_or_default());
        }
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        self.matcher.is_match(below) || self.matcher.is_match(path)
    }
}

/// A page of results.
struct Page {
    offset: usize,
    limit: usize,
    text: String,
    /// The results in the text.
    shown: usize,
    /// All results.
    total: usize,
    is_full: bool,
    failure: Option<Failure>,
}

impl Page {
    fn new(arguments: &Arguments) -> Self {
        Self {
            offset: arguments.offset,
            limit: arguments.limit.unwrap_or(DEFAULT_LIMIT),
            text: String::new(),
            shown: 0,
            total: 0,
            is_full: false,
            failure: None,
        }
    }

    /// Counts one result, and adds it if it belongs to the page.
    fn add(&mut self, result: &str) {
        self.total += 1;
        if self.total > self.offset && self.shown < self.limit && self.has_room(result.len()) {
            self.text.push_str(result);
            self.text.push('\n');
            self.shown += 1;
        }
    }

    fn has_room(&mut self, bytes: usize) -> bool {
        self.is_full |= self.text.len() + bytes > OUTPUT_BYTES;
        !self.is_full
    }

    fn finished(mut self, walk: &Walk, arguments: &Arguments) -> String {
        let noun = match (arguments.target, arguments.output_mode) {
            (Target::Content, OutputMode::Content) => "matches",
            _ => "files",
        };
        if self.total == 0 {
            self.text = format!("no {noun}. {SKIPPED}");
            let is_plain = |text: &str| !text.contains(['*', '?', '[', '{']);
            if matches!(arguments.target, Target::Files) && is_plain(&arguments.pattern) {
                let _ =
                    write!(self.text, " The pattern is that of a whole name: try *{}*.", arguments.pattern);
            }
        } else if self.shown == 0 {
            let _ = write!(self.text, "[there are {} {noun}, and `offset` is {}]", self.total, self.offset);
        } else if self.shown < self.total {
            let (first, last) = (self.offset + 1, self.offset + self.shown);
            let total = match self.total >= COUNTED_MAX {
                true => format!("at least {COUNTED_MAX}"),
                false => self.total.to_string(),
            };
            let _ = write!(self.text, "[{noun} {first}-{last} of {total}");
            if last < self.total {
                let _ = write!(self.text, "; go on with offset {last}");
            }
            self.text.push(']');
        }
        if walk.is_cut {
            self.text.push_str(
                "\n[the directory has too many files; a part was not searched: state a deeper `path`]",
            );
        }
        if let Some(failure) = walk.failure.as_ref().or(self.failure.as_ref()) {
            let _ = write!(self.text, "\n[not all was searched: {}]", hermes_core::chain(failure));
        }
        self.text
    }
}

/// Lists files, newest first.
fn files_by_name(walk: &mut Walk, names: &Names, page: &mut Page) {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for path in walk.by_ref().filter(|path| names.matches(path)) {
        let changed = path.symlink_metadata().and_then(|metadata| metadata.modified());
        found.push((changed.unwrap_or(SystemTime::UNIX_EPOCH), path));
    }
    found.sort_by(|one, other| other.0.cmp(&one.0).then_with(|| one.1.cmp(&other.1)));
    for (_, path) in found {
        page.add(&shown(&path));
    }
}

/// Searches the lines of files.
fn lines(walk: &mut Walk, names: Option<&Names>, search: &mut Search, mode: OutputMode, page: &mut Page) {
    for path in walk.by_ref().filter(|path| names.is_none_or(|names| names.matches(path))) {
        let is_content = mode == OutputMode::Content;
        let (skip, take) = match is_content {
            true => (page.offset.saturating_sub(page.total), page.limit - page.shown),
            false => (0, 0),
        };
        let take = if page.is_full { 0 } else { take };
        let most = if mode == OutputMode::FilesOnly { 1 } else { COUNTED_MAX };
        let (count, found) = match search.file(&path, skip, take, most) {
            Ok(result) => result,
            Err(failure) => {
                page.failure.get_or_insert(failure);
                continue;
            }
        };
        match mode {
            _ if count == 0 => continue,
            OutputMode::FilesOnly => page.add(&shown(&path)),
            OutputMode::Count => page.add(&format!("{}: {count}", shown(&path))),
            OutputMode::Content => {
                page.total += count;
                add_lines(page, &path, &found);
            }
        }
        if page.total >= COUNTED_MAX {
            return;
        }
    }
}

/// Adds the lines of a file below its name. A gap is a line `--`.
fn add_lines(page: &mut Page, path: &Path, found: &[content::Found]) {
    let mut head = format!("{}\n", shown(path));
    let mut before = None;
    for line in found {
        let gap = before.is_some_and(|before| before + 1 < line.number);
        let has_context = found.iter().any(|line| !line.is_match);
        let gap = if gap && has_context { "--\n" } else { "" };
        let sign = if line.is_match { '|' } else { '-' };
        let text = format!("{head}{gap}{}{sign}{}\n", line.number, line.text);
        if !page.has_room(text.len()) {
            return;
        }
        page.text.push_str(&text);
        page.shown += usize::from(line.is_match);
        before = Some(line.number);
        head.clear();
    }
}

#[cfg(test)]
mod tests;
