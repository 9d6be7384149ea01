//! How many tests passed, failed and were skipped: read from the JUnit files that the runners write,
//! or from what `cargo test` prints.

use std::fmt;
use std::ops::AddAssign;

/// The counts of one run, or of several.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Tests that passed.
    pub(crate) passed: u64,
    /// Tests that failed.
    pub(crate) failed: u64,
    /// Tests that were not run.
    pub(crate) skipped: u64,
}

impl Counts {
    /// Reads a JUnit file: the totals of its root element, and its `<skipped` elements.
    pub(crate) fn of_junit(xml: &str) -> Option<Self> {
        let root = xml.split_once("<testsuites")?.1.split_once('>')?.0;
        let total = attribute(root, "tests")?;
        let failed = attribute(root, "failures")? + attribute(root, "errors")?;
        let skipped = u64::try_from(xml.matches("<skipped").count()).ok()?;
        Some(Self { passed: total.checked_sub(failed + skipped)?, failed, skipped })
    }

    /// Adds up the `test result:` lines of `cargo test`.
    pub(crate) fn of_cargo_test(output: &str) -> Self {
        let mut sum = Self::default();
        for line in output.lines().filter(|line| line.starts_with("test result:")) {
            let before = |word: &str| {
                line.split([';', '.'])
                    .find_map(|part| part.trim().strip_suffix(word)?.trim().parse().ok())
                    .unwrap_or(0)
            };
            sum += Self { passed: before("passed"), failed: before("failed"), skipped: before("ignored") };
        }
        sum
    }
}

/// The number in an attribute of an element's text.
fn attribute(element: &str, name: &str) -> Option<u64> {
    let (_, rest) = element.split_once(&format!(" {name}=\""))?;
    rest.split_once('"')?.0.parse().ok()
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn reads_junit() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" failures="1" errors="0" uuid="x" time="0.017">
  <testsuite name="a" tests="4" disabled="1" errors="0" failures="1">
    <testcase name="x"><skipped message="no Docker"/></testcase>"#;
        assert_eq!(Counts::of_junit(xml), Some(Counts { passed: 2, failed: 1, skipped: 1 }));
        assert_eq!(Counts::of_junit("<html>"), None);
    }

    #[test]
    fn reads_what_cargo_test_prints() {
        let output = "running 1 test\n\
            test result: ok. 9 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\
            test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.1s\n";
        assert_eq!(Counts::of_cargo_test(output), Counts { passed: 10, failed: 2, skipped: 1 });
    }
}
