//! A program that stands in for a service manager's: it writes down how it is called and answers as it was told.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The program. Nobody may write an executable while another thread forks ("text file busy"), so it is a symlink to a script
/// that is there all the time.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) program: PathBuf,
    directory: PathBuf,
}

impl Fake {
    /// The program `name` in `directory`, which is there and empty.
    pub(crate) fn called(directory: &Path, name: &str) -> Self {
        let program = directory.join(name);
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fake_tool/fake.sh"), &program).unwrap();
        Self { program, directory: directory.to_owned() }
    }

    /// What it does when it is called with `verb`, as shell commands: each call the next, and the last one from then on.
    pub(crate) fn on<S: AsRef<str>>(&self, verb: &str, answers: impl IntoIterator<Item = S>) {
        let directory = self.directory.join(verb);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (index, answer) in answers.into_iter().enumerate() {
            fs::write(directory.join(format!("{index:03}")), answer.as_ref()).unwrap();
        }
    }

    /// The arguments of each call so far, and forgets them.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.directory.join("calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        calls.lines().map(str::to_owned).collect()
    }
}

/// Shell commands that print `text`.
pub(crate) fn prints(text: &str) -> String {
    format!("cat <<'END_OF_ANSWER'\n{}\nEND_OF_ANSWER", text.trim_end_matches('\n'))
}
