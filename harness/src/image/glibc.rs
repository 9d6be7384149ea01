//! Whether what was linked on this host runs in the image: the host's glibc must not be newer.

/// The version of glibc in the first line of `ldd --version`; `None` where the C library is another.
pub(crate) fn parse_ldd(first_line: &str) -> Option<(u32, u32)> {
    let lower = first_line.to_lowercase();
    if !(lower.contains("glibc") || lower.contains("gnu libc")) {
        return None;
    }
    let (major, rest) = first_line.split_whitespace().last()?.split_once('.')?;
    let minor: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// The host's own version.
pub(crate) async fn of_the_host() -> Option<(u32, u32)> {
    let output = tokio::process::Command::new("ldd").arg("--version").output().await.ok()?;
    parse_ldd(String::from_utf8_lossy(&output.stdout).lines().next()?)
}

#[cfg(test)]
mod tests {
    use super::parse_ldd;

    #[test]
    fn reads_what_distributions_print() {
        assert_eq!(parse_ldd("ldd (Debian GLIBC 2.36-9+deb12u14) 2.36"), Some((2, 36)));
        assert_eq!(parse_ldd("ldd (Ubuntu GLIBC 2.39-0ubuntu8.4) 2.39"), Some((2, 39)));
        assert_eq!(parse_ldd("ldd (GNU libc) 2.41"), Some((2, 41)));
    }

    #[test]
    fn another_c_library_is_no_glibc() {
        assert_eq!(parse_ldd("musl libc (x86_64)"), None);
        assert_eq!(parse_ldd(""), None);
    }
}
