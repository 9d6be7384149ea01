//! Secrets that are easy to find, and searches for them in all forms that a program may write.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hermes_harness::{Container, secs};

/// The directories that a program of the image may write.
const WRITABLE: [&str; 8] = ["/opt/data", "/run", "/tmp", "/var", "/etc", "/root", "/home", "/dev/shm"];

/// The length of the part of a secret that counts as the secret.
const PART: usize = 14;

/// Secrets, each with the files where it belongs.
#[derive(Debug, Default)]
pub(super) struct Canaries(Vec<(String, Vec<String>)>);

impl Canaries {
    /// Adds a secret, and the files that may hold it.
    pub(super) fn add(&mut self, secret: &str, files: &[&str]) {
        self.0.push((secret.to_owned(), files.iter().map(|&file| file.to_owned()).collect()));
    }

    /// Checks that a text holds no secret.
    pub(super) fn check(&self, place: &str, text: impl AsRef<[u8]>) -> Result<()> {
        let text = String::from_utf8_lossy(text.as_ref());
        for (secret, _) in &self.0 {
            let found = forms(secret).into_iter().find(|form| text.contains(form));
            ensure!(found.is_none(), "{place} holds {secret:?} as {found:?}:\n{text}");
        }
        Ok(())
    }

    /// Checks that each secret is in the files where it belongs, and in no other one. Root searches.
    pub(super) async fn check_files(&self, container: &Container) -> Result<()> {
        let mut patterns = String::new();
        let mut expected = BTreeSet::new();
        for (secret, files) in &self.0 {
            patterns.extend(forms(secret).into_iter().map(|form| form + "\n"));
            expected.extend(files.iter().map(|file| format!("{file}: {}", &secret[..PART])));
        }
        let search = format!("grep -raFoHs -D skip -f - {}; true", WRITABLE.join(" "));
        let found = container.exec_sh(&search).as_root().stdin(patterns).deadline(secs(30)).await?.success();
        let found: BTreeSet<_> = found.stdout().lines().map(|line| line.replacen(':', ": ", 1)).collect();
        ensure!(found == expected, "found in files: {found:#?}\nand not: {expected:#?}");
        Ok(())
    }

    /// Checks that no process has a secret on its command line.
    pub(super) async fn check_command_lines(&self, container: &Container) -> Result<()> {
        for process in container.processes().await? {
            self.check("a command line", process.argv.join(" "))?;
        }
        Ok(())
    }
}

/// Returns the forms of the first part of a secret: plain, percent-encoded, and in Base64 at each of the three alignments.
fn forms(secret: &str) -> BTreeSet<String> {
    let part = &secret.as_bytes()[..PART];
    let percent = |byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(*byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    let mut forms = BTreeSet::from([secret[..PART].to_owned(), part.iter().map(percent).collect()]);
    for before in 0..3 {
        let encoded = BASE64_STANDARD.encode([&[0; 3][..before], part].concat());
        // The first and last characters depend on the bytes around the secret.
        let encoded = &encoded[[0, 2, 3][before]..(before + PART) * 8 / 6];
        forms.insert(encoded.to_owned());
        forms.insert(encoded.replace('+', "-").replace('/', "_"));
    }
    forms
}
