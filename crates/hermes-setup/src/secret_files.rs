//! `NAME_FILE`: a secret that an orchestrator mounts as a file. It works for each variable with the name of a secret.
//!
//! Root reads the file, since agents often may not. Root stores the variable in the stored environment, from which services and the
//! command get it. Root does not read a file that the account could have put there: a symlink would turn any file of root into a
//! variable.

use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hermes_account::withheld::{self, AUTH_JSON};
use hermes_core::secrets::is_secret_name;
use rustix::fs::OFlags;

use crate::notice::{Notice, Notices};
use crate::password;
use crate::stored_environment::store;
use crate::trusted_path;
use crate::variables::Variables;

/// The maximum length of a secret, in bytes: the kernel accepts no longer variable.
const LONGEST: u64 = 128 * 1024 - 1;

/// Reads the variables that `/init` withholds from the account, then the secrets in files.
pub(crate) fn load(variables: &mut Variables, as_root: bool, notices: &mut Notices) {
    match withheld::take(Path::new(withheld::DIRECTORY)) {
        Ok(taken) => taken.into_iter().for_each(|(name, value)| variables.set(name, value)),
        Err(error) => notices.add(Notice::Failed {
            what: format!("failed to take the secrets of the set-up from {}: {error}", withheld::DIRECTORY),
            hint: "restart the container".into(),
        }),
    }
    take_from_files(variables, as_root, notices);
    password::start(variables);
}

/// Sets each `NAME` from the file that `NAME_FILE` names. Also stores the variable for everything that the boot starts, unless it
/// is withheld from the account.
fn take_from_files(variables: &mut Variables, as_root: bool, notices: &mut Notices) {
    let names: Vec<String> = variables.names().filter_map(secret_of).map(str::to_owned).collect();
    for name in names {
        let named = format!("{name}_FILE");
        let Some(path) = variables.get(&named).map(PathBuf::from) else { continue };
        let problem = |what: String, hint| Notice::SecretFile { name: named.clone(), what, hint };
        if variables.get(&name).is_some() {
            notices
                .add(problem(format!("{name} is also set and takes precedence"), "set only one of the two"));
            continue;
        }
        let stored = |value: OsString| {
            if !withheld::is_withheld(OsStr::new(&name)) {
                store(&name, &value)?;
            }
            Ok(value)
        };
        match read(&path, as_root).and_then(stored) {
            Ok(value) => variables.set(&name, value),
            Err(error) => {
                let hint = "mount it, readable for root, in a directory that only root can write";
                notices
                    .add(problem(format!("failed to read {} from {}: {error}", name, path.display()), hint));
            }
        }
    }
}

/// Returns the variable that `…_FILE` stands for, if it is a secret.
fn secret_of(name: &str) -> Option<&str> {
    let name = name.strip_suffix("_FILE")?;
    (name == AUTH_JSON || is_secret_name(name)).then_some(name)
}

/// Reads the content of a file, without the newline at its end.
fn read(path: &Path, as_root: bool) -> io::Result<OsString> {
    let path = if as_root {
        // First, so that a missing file gets its own error.
        fs::metadata(path)?;
        trusted_path::resolve(path)
            .ok_or_else(|| io::Error::other("other users than root can change a directory on its path"))?
    } else {
        path.to_owned()
    };
    let mut file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut value = Vec::new();
    Read::by_ref(&mut file).take(LONGEST + 1).read_to_end(&mut value)?;
    if value.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than a variable can be"));
    }
    if value.contains(&0) {
        return Err(io::Error::other("it has a NUL byte in it"));
    }
    if value.last() == Some(&b'\n') {
        value.pop();
        if value.last() == Some(&b'\r') {
            value.pop();
        }
    }
    if value.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(OsString::from_vec(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_is_recognized_by_the_name_of_its_variable() {
        for (name, secret) in [
            ("OPENROUTER_API_KEY_FILE", Some("OPENROUTER_API_KEY")),
            ("TELEGRAM_BOT_TOKEN_FILE", Some("TELEGRAM_BOT_TOKEN")),
            ("HERMES_AUTH_JSON_BOOTSTRAP_FILE", Some("HERMES_AUTH_JSON_BOOTSTRAP")),
            ("LOG_FILE", None),
            ("OPENROUTER_API_KEY", None),
            ("_FILE", None),
        ] {
            assert_eq!(secret_of(name), secret, "{name}");
        }
    }

    #[test]
    fn newline_at_the_end_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let read_back = |content: &[u8]| {
            fs::write(&path, content).unwrap();
            read(&path, false).map(OsString::into_vec).map_err(|error| error.to_string())
        };
        assert_eq!(read_back(b"s3cret\n").unwrap(), b"s3cret");
        assert_eq!(read_back(b"s3cret\r\n").unwrap(), b"s3cret");
        assert_eq!(read_back(b"two\nlines\n\n").unwrap(), b"two\nlines\n");
        assert_eq!(read_back(b" \xff ").unwrap(), b" \xff ");
        for (content, what) in [
            (&b""[..], "it is empty"),
            (b"\n", "it is empty"),
            (b"a\0b", "it has a NUL byte in it"),
            (&vec![b'x'; 200_000], "it is longer than a variable can be"),
        ] {
            assert_eq!(read_back(content).unwrap_err(), what);
        }
        let error = read(folder.path(), false).unwrap_err();
        assert_eq!(error.to_string(), "it is not a regular file");
    }

    #[test]
    fn root_reads_no_file_from_a_directory_of_others() {
        let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let path = folder.path().join("secret");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let error = read(&path, true).unwrap_err();
        assert_eq!(error.to_string(), "other users than root can change a directory on its path");
    }
}
