//! The cases as JUnit XML.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Tried;
use crate::cli::failure::Failure;

/// Writes one suite, named after the device.
pub(super) fn write(path: &Path, nic: &str, tried: &[Tried]) -> Result<(), Failure> {
    let mut suite = TestSuite::new(format!("conformance of {nic}"));
    for Tried { case, wrong, is_refused, took } in tried {
        let status = match wrong {
            None if *is_refused => {
                let mut status = TestCaseStatus::skipped();
                status.set_message("the profile requires what the device lacks");
                status
            }
            None => TestCaseStatus::success(),
            Some(why) => {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(why.as_str());
                status
            }
        };
        let mut case = TestCase::new(case.to_string(), status);
        case.set_classname(nic);
        case.set_time(*took);
        suite.add_test_case(case);
    }
    let mut report = Report::new("fixwire conformance");
    report.add_test_suite(suite);
    let unwritable = |why: &dyn std::fmt::Display| {
        Failure::run(
            format_args!("{} cannot be written: {why}", path.display()),
            "name a file in a folder that is there and may be written to",
        )
    };
    let mut file = BufWriter::new(File::create(path).map_err(|error| unwritable(&error))?);
    report.serialize(&mut file).map_err(|error| unwritable(&error))?;
    file.flush().map_err(|error| unwritable(&error))
}
