//! `NAME_FILE`: a secret that an orchestrator mounts as a file, for every variable whose name is that of a secret.
//!
//! Root reads the file, which agents often may not, and stores the variable where services and the command get theirs from. A file
//! in a place that the account can change is not read by root: a symlink there would turn any file of root's into a variable.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hermes_account::withheld::{self, AUTH_JSON};
use hermes_core::secrets::is_secret_name;
use rustix::fs::OFlags;

use crate::notice::{Notice, Notices};
use crate::password;
use crate::roots_own;
use crate::variables::Variables;

/// Where the container's variables are stored, one file each.
const STORED: &str = "/run/s6/container_environment";

/// The longest secret, in bytes: the kernel takes no longer variable.
const LONGEST: u64 = 128 * 1024 - 1;

/// Takes the variables that `/init` keeps from the account, then the secrets in files.
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

/// Sets each `NAME` from the file that `NAME_FILE` names, in `variables` and, unless the account does not get it, for all that
/// the boot starts.
fn take_from_files(variables: &mut Variables, as_root: bool, notices: &mut Notices) {
    let names: Vec<String> = variables.names().filter_map(secret_of).map(str::to_owned).collect();
    for name in names {
        let named = format!("{name}_FILE");
        let Some(path) = variables.get(&named).map(PathBuf::from) else { continue };
        let problem = |what: String, hint| Notice::SecretFile { name: named.clone(), what, hint };
        if variables.get(&name).is_some() {
            notices.add(problem(
                format!("{name} is set, too, and is the one that counts"),
                "set one of the two",
            ));
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
                notices.add(problem(format!("cannot take {} from {}: {error}", name, path.display()), hint));
            }
        }
    }
}

/// The variable that `…_FILE` stands for, if it is a secret.
fn secret_of(name: &str) -> Option<&str> {
    let name = name.strip_suffix("_FILE")?;
    (name == AUTH_JSON || is_secret_name(name)).then_some(name)
}

/// The content without the newline at its end.
fn read(path: &Path, as_root: bool) -> io::Result<OsString> {
    let path = if as_root {
        // Told apart from a path that is not root's, which is a matter of where it lies.
        fs::metadata(path)?;
        roots_own::real_path(path)
            .ok_or_else(|| io::Error::other("others than root can change a directory on the way to it"))?
    } else {
        path.to_owned()
    };
    let mut file =
        OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
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

/// Beside the variables of the container, with their mode; the directory gives it their group.
pub(crate) fn store(name: &str, value: &OsString) -> io::Result<()> {
    let path = Path::new(STORED).join(name);
    // Empty there, where the container has it empty.
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
    file.write_all(value.as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_the_name_of_its_variable() {
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
    fn the_newline_that_an_editor_leaves_is_not_of_the_secret() {
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
        assert_eq!(error.to_string(), "it is no file");
    }

    #[test]
    fn root_reads_no_file_that_another_could_have_put_there() {
        let folder = tempfile::Builder::new().tempdir_in("/tmp").unwrap();
        let path = folder.path().join("secret");
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        let error = read(&path, true).unwrap_err();
        assert_eq!(error.to_string(), "others than root can change a directory on the way to it");
    }
}
