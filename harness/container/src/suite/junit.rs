//! Writes the results as JUnit XML.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::report::{TestResult, Verdict};

/// Writes the file. Makes its directory if it is missing.
pub(super) fn write(file: &Path, results: &[TestResult], took: Duration) -> io::Result<()> {
    let failed = |error: io::Error| {
        io::Error::new(error.kind(), format!("failed to write {}: {error}", file.display()))
    };
    let xml = report(results, took).to_string().map_err(|error| failed(io::Error::other(error)))?;
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory).map_err(failed)?;
    }
    std::fs::write(file, xml).map_err(failed)
}

/// One suite for each module.
fn report(results: &[TestResult], took: Duration) -> Report {
    let mut modules: BTreeMap<&str, Vec<&TestResult>> = BTreeMap::new();
    for result in results {
        let module = result.name.split_once("::").map_or("suites", |(module, _)| module);
        modules.entry(module).or_default().push(result);
    }
    let mut report = Report::new("docker-test");
    report.set_time(took);
    for (module, results) in modules {
        let mut suite = TestSuite::new(module);
        for result in results {
            suite.add_test_case(case(module, result));
        }
        report.add_test_suite(suite);
    }
    report
}

fn case(module: &str, result: &TestResult) -> TestCase {
    let status = match &result.verdict {
        Verdict::Passed => TestCaseStatus::success(),
        Verdict::Failed(message) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message.lines().next().unwrap_or_default()).set_description(message.clone());
            status
        }
        Verdict::Ignored(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason.clone());
            status
        }
    };
    let mut case = TestCase::new(result.name.clone(), status);
    case.set_classname(module);
    if let Some(took) = result.took {
        case.set_time(took);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_messages_arrive() {
        let result = |name: &str, verdict| TestResult { name: name.into(), verdict, took: None };
        let results = [
            result("a::one", Verdict::Passed),
            result("a::two", Verdict::Failed("it <broke>\nmore".into())),
            result("b::three", Verdict::Ignored("no Docker".into())),
        ];
        let xml = report(&results, Duration::from_secs(1)).to_string().unwrap();
        assert!(xml.contains(r#"<testsuites name="docker-test" tests="3" failures="1" errors="0""#), "{xml}");
        assert!(xml.contains("it &lt;broke&gt;"), "{xml}");
        assert!(xml.contains(r#"<skipped message="no Docker""#), "{xml}");
    }
}
