//! A fake program of a service manager. It records its calls and gives prepared answers.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The fake program: a symlink to a permanent script. A test that writes an executable can fail with "text
/// file busy" while another thread forks.
#[derive(Debug)]
pub(crate) struct Fake {
    pub(crate) program: PathBuf,
    directory: PathBuf,
}

impl Fake {
    /// Creates the program `name` in the empty `directory`.
    pub(crate) fn called(directory: &Path, name: &str) -> Self {
        let program = directory.join(name);
        symlink(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fake_tool/fake.sh"), &program).unwrap();
        Self { program, directory: directory.to_owned() }
    }

    /// Sets the shell commands for calls with `verb`, one for each call. The last one stays.
    pub(crate) fn on<S: AsRef<str>>(&self, verb: &str, answers: impl IntoIterator<Item = S>) {
        let directory = self.directory.join(verb);
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir(&directory).unwrap();
        for (index, answer) in answers.into_iter().enumerate() {
            fs::write(directory.join(format!("{index:03}")), answer.as_ref()).unwrap();
        }
    }

    /// Returns the arguments of each call so far, and forgets them.
    pub(crate) fn calls(&self) -> Vec<String> {
        let path = self.directory.join("calls");
        let calls = fs::read_to_string(&path).unwrap_or_default();
        let _ = fs::remove_file(&path);
        calls.lines().map(str::to_owned).collect()
    }
}

/// Returns shell commands that print `text`.
pub(crate) fn prints(text: &str) -> String {
    format!("cat <<'END_OF_ANSWER'\n{}\nEND_OF_ANSWER", text.trim_end_matches('\n'))
}
