//! The path of `auth.json`: in `HERMES_HOME`, or in the directory that `HERMES_AUTH_HOME` names.

use std::path::{Path, PathBuf};

use hermes_core::Home;

use crate::notice::{Notice, Notices};
use crate::variables::Variables;

/// The absolute path of an existing directory. The operator uses it to keep the credential out of the volume.
const AUTH_HOME: &str = "HERMES_AUTH_HOME";

/// Returns the path at which a first boot creates `auth.json`.
///
/// Returns `None`, and adds a notice, if `HERMES_AUTH_HOME` is no such directory. Then the set-up creates no `auth.json`: the
/// operator does not want the credential on the volume.
pub(crate) fn auth_json(home: &Home, variables: &Variables, notices: &mut Notices) -> Option<PathBuf> {
    let Some(named) = variables.get(AUTH_HOME).map(Path::new) else {
        return Some(home.root().join("auth.json"));
    };
    let why = match named.metadata() {
        _ if !named.is_absolute() => "it is not an absolute path".to_owned(),
        Ok(found) if !found.is_dir() => "it is not a directory".to_owned(),
        Ok(_) => return Some(named.join("auth.json")),
        Err(error) => error.to_string(),
    };
    notices.add(Notice::Failed {
        what: format!("{AUTH_HOME}={} is refused, and auth.json is not made: {why}", named.display()),
        hint: format!(
            "mount a directory there that the account can write, or leave {AUTH_HOME} out to keep auth.json in {}",
            home.root().display()
        ),
    });
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_home_must_be_an_absolute_directory() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let home = Home::new(folder.path().join("home")).unwrap();
        let of = |named: &str| {
            let mut notices = Notices::default();
            (auth_json(&home, &Variables::from([(AUTH_HOME, named)]), &mut notices), notices.text())
        };
        assert_eq!(of(""), (Some(home.root().join("auth.json")), String::new()));
        let named = folder.path().to_str().unwrap();
        assert_eq!(of(named), (Some(folder.path().join("auth.json")), String::new()));
        for (named, why) in [
            ("relative", "it is not an absolute path"),
            (file.to_str().unwrap(), "it is not a directory"),
            ("/no/such/directory", "No such file or directory"),
        ] {
            let (path, said) = of(named);
            assert_eq!(path, None, "{named}");
            let expected = format!("HERMES_AUTH_HOME={named} is refused, and auth.json is not made: {why}");
            assert!(said.starts_with(&expected), "{said}");
        }
    }
}
