//! The machine and the disk.

use std::fs;
use std::path::Path;

use hermes_service::detect;

/// System, kernel, architecture, and whether this is a container.
pub(super) fn lines() -> Vec<(&'static str, String)> {
    let uname = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    vec![
        ("system", pretty_name(&release).unwrap_or("(unknown)").to_owned()),
        ("kernel", format!("{} {}", text(uname.sysname()), text(uname.release()))),
        ("architecture", text(uname.machine())),
        ("container", container().to_owned()),
        ("account", format!("{}:{}", nix::unistd::geteuid(), nix::unistd::getegid())),
    ]
}

/// `PRETTY_NAME` of os-release(5).
fn pretty_name(release: &str) -> Option<&str> {
    let value = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim_matches(['"', '\'']))
}

fn container() -> &'static str {
    if detect::in_our_image() {
        "the hermes image"
    } else if Path::new("/.dockerenv").exists() || Path::new("/run/.containerenv").exists() {
        "another image"
    } else {
        "none that is known"
    }
}

/// How much room is left where `path` lies.
pub(super) fn disk_space(path: &Path) -> String {
    match rustix::fs::statvfs(path) {
        Ok(stat) => {
            let mebibytes = |blocks: u64| blocks.saturating_mul(stat.f_frsize) >> 20;
            format!(
                "{} MiB of {} MiB free; {} of {} inodes free",
                mebibytes(stat.f_bavail),
                mebibytes(stat.f_blocks),
                stat.f_favail,
                stat.f_files
            )
        }
        Err(error) => std::io::Error::from(error).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_the_name_that_it_gives_itself() {
        let text = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\n";
        assert_eq!(pretty_name(text), Some("Debian GNU/Linux 13 (trixie)"));
        assert_eq!(pretty_name("ID=x\n"), None);
    }
}
