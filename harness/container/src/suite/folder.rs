//! Checks that every file of the suites' folder is part of the test binary.

use std::io;
use std::path::Path;

/// The modules that the folder has a file (or a folder) for and that `main.rs` in it does not name.
pub fn files_that_no_module_names(folder: &Path) -> io::Result<Vec<String>> {
    let main = std::fs::read_to_string(folder.join("main.rs"))?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    Ok(not_named(&main, &files))
}

fn not_named(main: &str, files: &[String]) -> Vec<String> {
    let modules: Vec<&str> = main.lines().filter_map(module_named).collect();
    let mut missing: Vec<String> = files
        .iter()
        .filter(|file| *file != "main.rs")
        .filter_map(|file| match file.split_once('.') {
            Some((name, "rs")) => Some(name),
            // A folder of modules; other files (data, snapshots, editors' leftovers) are none.
            None => Some(file.as_str()),
            Some(_) => None,
        })
        .filter(|name| !modules.contains(name))
        .map(str::to_owned)
        .collect();
    missing.sort();
    missing
}

/// The module that a line declares: `mod x;`, `pub mod x;`, `pub(crate) mod x;`.
fn module_named(line: &str) -> Option<&str> {
    let line = line.trim();
    let name = line.strip_prefix("mod ").or_else(|| {
        let (visibility, rest) = line.split_once(" mod ")?;
        visibility.starts_with("pub").then_some(rest)
    })?;
    name.split_once(';').map(|(name, _)| name.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_file_that_is_no_module_is_named() {
        let main = "//! Suites.\nmod one;\npub(crate) mod two; // why\n// mod three;\n";
        assert_eq!(not_named(main, &files(&["main.rs", "one.rs", "two.rs", "three.rs"])), ["three"]);
    }

    #[test]
    fn folders_are_modules_and_data_is_not() {
        let main = "mod one;\n";
        assert_eq!(not_named(main, &files(&["one.rs", "one", "other", "x.snap", ".x.rs.swp"])), ["other"]);
    }
}
