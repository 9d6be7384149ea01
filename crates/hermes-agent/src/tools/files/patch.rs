//! The tool `patch`: changes parts of files. The result is a unified diff.

use std::path::Path;

use serde::Deserialize;

use super::failure::Failure;
use super::open::{path_of, shown};
use super::write::{self, NEW_MODE};
use text::{Text, unified_diff};

mod apply;
mod find;
mod replace;
mod staged;
mod text;
mod v4a;

/// The arguments.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Arguments {
    mode: Option<Mode>,
    path: Option<String>,
    old_string: Option<String>,
    new_string: Option<String>,
    replace_all: bool,
    patch: Option<String>,
}

/// A way to state a change.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// One text takes the place of another.
    Replace,
    /// A patch in the V4A format.
    Patch,
}

/// Runs the tool.
pub(crate) fn run(arguments: &Arguments) -> Result<String, Failure> {
    let by_patch = match arguments.mode {
        Some(mode) => matches!(mode, Mode::Patch),
        None => arguments.patch.is_some() && arguments.old_string.is_none(),
    };
    if by_patch {
        let patch = arguments.patch.as_deref().ok_or_else(|| absent("patch", "patch"))?;
        return apply_patch(patch);
    }
    let of = |value: &Option<String>, name| value.clone().ok_or_else(|| absent(name, "replace"));
    let path = path_of(&of(&arguments.path, "path")?)?;
    let (old, new) = (of(&arguments.old_string, "old_string")?, of(&arguments.new_string, "new_string")?);
    replace_text(&path, &old, &new, arguments.replace_all)
}

fn absent(argument: &str, mode: &str) -> Failure {
    let needed = if mode == "patch" { "`patch`" } else { "`path`, `old_string` and `new_string`" };
    let cause = format!("`{argument}` is missing");
    Failure::refused("patch", "the file", cause, format!("mode \"{mode}\" needs {needed}"))
}

fn replace_text(path: &Path, old: &str, new: &str, all: bool) -> Result<String, Failure> {
    let name = shown(path);
    let (file, _) = Text::read(path)?;
    let replaced = replace::replace(&file.text, &file.normal(old), &file.normal(new), all)
        .map_err(|error| Failure::refused("patch", &name, error.to_string(), error.hint()))?;
    write::write(path, &file.bytes(&replaced.text), NEW_MODE)?;
    let diff = unified_diff((&name, &file.text), (&name, &replaced.text));
    Ok(match (replaced.tolerant, replaced.count) {
        (true, _) => format!("[white space of `old_string` differed from the file]\n{diff}"),
        (false, 1) => diff,
        (false, count) => format!("[{count} places]\n{diff}"),
    })
}

fn apply_patch(patch: &str) -> Result<String, Failure> {
    let hint = "the form is\n*** Begin Patch\n*** Update File: PATH\n@@ line above\n context\n-old\n+new\n*** End Patch";
    let sections =
        v4a::parse(patch).map_err(|error| Failure::refused("read", "the patch", error.to_string(), hint))?;
    // All files are read and all changes computed before the first write.
    let staged = staged::stage(&sections)?;
    staged::write(&staged)?;
    Ok(staged.iter().map(staged::Staged::summary).collect())
}

#[cfg(test)]
mod tests;
