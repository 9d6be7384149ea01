//! The modules of a crate, and the arrows between its files.
//!
//! An arrow goes from a file to the file that defines an item which it names. Re-exports are followed, so that a
//! façade (`pub use` in `mod.rs`) gets no arrow for the items that it hands out. A module that is only declared
//! (`mod x;`) gets none either. Code for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use quote::ToTokens as _;
use syn::{Attribute, Item, ItemMod};

use crate::code::{Code, Use, asks_for_tests};

/// A chain of re-exports that is longer is a name that stands for itself, as `use anyhow::anyhow`.
const LONGEST_CHAIN: usize = 32;

/// The first place where a file names an item of another file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) path: String,
}

/// From a file to the files that define its names.
pub(crate) type Arrows = BTreeMap<PathBuf, BTreeMap<PathBuf, Place>>;

/// One crate: a library or a program.
pub(crate) struct Crate<'a> {
    read: &'a dyn Fn(&Path) -> Option<String>,
    modules: Vec<Module>,
}

/// A module: the place of its code, and the names in it.
#[derive(Default)]
struct Module {
    file: PathBuf,
    parent: usize,
    children: BTreeMap<String, usize>,
    items: BTreeSet<String>,
    code: Code,
}

/// The end of a path.
enum Target {
    Module(usize),
    /// An item that this module defines.
    Item(usize),
    OtherCrate,
}

impl<'a> Crate<'a> {
    /// Reads a crate from its root file on. `read` returns `None` for a file that does not exist.
    pub(crate) fn read(root: &Path, read: &'a dyn Fn(&Path) -> Option<String>) -> Self {
        let mut this = Self { read, modules: vec![Module { file: root.to_owned(), ..Module::default() }] };
        let folder = root.parent().unwrap().to_owned();
        this.add_file(0, &folder);
        this
    }

    /// Returns the arrows between the files of the crate.
    pub(crate) fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (at, module) in self.modules.iter().enumerate() {
            let of_file = arrows.entry(module.file.clone()).or_default();
            let imports = module.code.uses.iter().filter(|item| !item.exported);
            let imports = imports.map(|item| (&item.path, item.line));
            let mentions = module.code.mentions.iter().map(|mention| (&mention.path, mention.line));
            for (path, line) in imports.chain(mentions) {
                let Target::Item(target) = self.resolve(at, path, 0) else { continue };
                let target = &self.modules[target].file;
                if *target == module.file {
                    continue;
                }
                let place = Place { line, path: path.join("::") };
                let first = of_file.entry(target.clone()).or_insert_with(|| place.clone());
                if place.line < first.line {
                    *first = place;
                }
            }
        }
        arrows
    }

    /// Adds the items of a module's own file. The files of its children lie in `folder`.
    fn add_file(&mut self, module: usize, folder: &Path) {
        let file = self.modules[module].file.clone();
        let text = (self.read)(&file).unwrap();
        let items =
            syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())).items;
        self.add_items(module, items, folder);
    }

    fn add_items(&mut self, module: usize, items: Vec<Item>, folder: &Path) {
        for item in items {
            if let Some(name) = name_of(&item) {
                self.modules[module].items.insert(name);
            }
            match item {
                Item::Mod(item) => self.add_child(module, item, folder),
                Item::Use(item) if is_for_tests(&item.attrs) => {}
                Item::Use(item) => self.modules[module].code.add_use(&item),
                other => self.modules[module].code.add(other.into_token_stream()),
            }
        }
    }

    fn add_child(&mut self, parent: usize, item: ItemMod, folder: &Path) {
        if is_for_tests(&item.attrs) {
            return;
        }
        let name = item.ident.to_string();
        let parent_file = self.modules[parent].file.clone();
        let named = path_attribute(&item.attrs).map(|path| sibling(&parent_file, &path));
        // A file that `#[path]` names has its children beside it, as `mod.rs` has.
        let own_folder = match &named {
            Some(file) => file.parent().unwrap().to_owned(),
            None => folder.join(&name),
        };
        let (file, items) = match item.content {
            Some((_, items)) => (parent_file, Some(items)),
            None => {
                let usual = [folder.join(format!("{name}.rs")), own_folder.join("mod.rs")];
                let exists = |file: &PathBuf| (self.read)(file).is_some();
                let Some(file) = named.into_iter().chain(usual).find(exists) else {
                    panic!("{}: module {name} has no file", parent_file.display())
                };
                if is_named_as_test(&file) {
                    return;
                }
                (file, None)
            }
        };
        let child = self.modules.len();
        self.modules.push(Module { file, parent, ..Module::default() });
        self.modules[parent].children.entry(name).or_insert(child);
        match items {
            Some(items) => self.add_items(child, items, &own_folder),
            None => self.add_file(child, &own_folder),
        }
    }

    /// Returns the target of a path that stands in the module `from`.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Target {
        if depth > LONGEST_CHAIN {
            return Target::OtherCrate;
        }
        let mut at = from;
        let mut rest = path;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "crate" => at = 0,
                "self" => {}
                "super" => at = self.modules[at].parent,
                _ => break,
            }
            rest = others;
        }
        let is_anchored = rest.len() < path.len();
        if rest.is_empty() {
            return Target::Module(at);
        }
        match self.look_up(at, rest, depth) {
            Some(target) => target,
            // A macro of the module makes the item.
            None if is_anchored => Target::Item(at),
            None => Target::OtherCrate,
        }
    }

    /// Returns the target of a path whose first name stands in the module `at`, or `None` if the name does not.
    fn look_up(&self, at: usize, path: &[String], depth: usize) -> Option<Target> {
        let module = &self.modules[at];
        let (name, rest) = path.split_first()?;
        let child = module.children.get(name);
        // A module and a function may have one name: the end of the path is the function.
        if let (Some(child), false) = (child, rest.is_empty()) {
            return Some(self.look_up(*child, rest, depth).unwrap_or(Target::Item(*child)));
        }
        let through = |item: &Use| item.path.iter().chain(rest).cloned().collect::<Vec<_>>();
        if let Some(item) = module.code.uses.iter().find(|item| item.name.as_ref() == Some(name)) {
            return Some(self.resolve(at, &through(item), depth + 1));
        }
        if module.items.contains(name) {
            return Some(Target::Item(at));
        }
        if let Some(child) = child {
            return Some(Target::Module(*child));
        }
        let globs = module.code.uses.iter().filter(|item| item.name.is_none());
        globs.filter(|_| depth < LONGEST_CHAIN).find_map(|glob| {
            match self.resolve(at, &glob.path, depth + 1) {
                Target::Module(target) => self.look_up(target, path, depth + 1),
                Target::Item(_) | Target::OtherCrate => None,
            }
        })
    }
}

/// Returns the name that an item defines in its module.
fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && matches!(&attribute.meta, syn::Meta::List(list) if asks_for_tests(list.tokens.clone()))
    })
}

fn is_named_as_test(file: &Path) -> bool {
    let name = file.file_name().unwrap().to_string_lossy();
    name == "tests.rs" || name.ends_with("_tests.rs") || file.parent().unwrap().ends_with("tests")
}

/// Returns the file that `#[path = "…"]` names.
fn path_attribute(attributes: &[Attribute]) -> Option<String> {
    let attribute = attributes.iter().find(|attribute| attribute.path().is_ident("path"))?;
    match &attribute.meta.require_name_value().ok()?.value {
        syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(file), .. }) => Some(file.value()),
        _ => None,
    }
}

/// Returns the path of a file that is named from the folder of another one.
fn sibling(file: &Path, name: &str) -> PathBuf {
    let mut path = file.parent().unwrap().to_owned();
    for part in Path::new(name) {
        if part == ".." {
            path.pop();
        } else {
            path.push(part);
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the arrows of a crate in the form `a.rs → b.rs`.
    fn arrows(files: &[(&str, &str)]) -> Vec<String> {
        let read = |path: &Path| {
            let file = files.iter().find(|(name, _)| Path::new(name) == path);
            file.map(|(_, text)| (*text).to_owned())
        };
        let arrows = Crate::read(Path::new("lib.rs"), &read).arrows();
        let all = arrows.iter().flat_map(|(from, targets)| {
            targets.keys().map(move |to| format!("{} → {}", from.display(), to.display()))
        });
        all.collect()
    }

    #[test]
    fn a_declaration_is_no_arrow_and_a_call_is_one() {
        let child = ("a.rs", "pub fn run() {} ");
        assert_eq!(arrows(&[("lib.rs", "mod a;"), child]), [""; 0]);
        assert_eq!(arrows(&[("lib.rs", "mod a; fn f() { a::run() }"), child]), ["lib.rs → a.rs"]);
        assert_eq!(arrows(&[("lib.rs", "mod a; use a::run;"), child]), ["lib.rs → a.rs"]);
        assert_eq!(
            arrows(&[("lib.rs", "mod a; fn f() { print!(\"{}\", a::run()) }"), child]),
            ["lib.rs → a.rs"]
        );
    }

    #[test]
    fn a_facade_is_passed_through() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::Shape as Form;"),
            ("a/mod.rs", "mod read; mod shape; pub use read::read; pub use self::shape::*;"),
            ("a/read.rs", "use super::Shape; pub fn read() -> Shape { Shape }"),
            ("a/shape.rs", "pub struct Shape;"),
            ("b.rs", "use crate::{Form, a}; fn f(_: Form) { a::read() }"),
        ];
        assert_eq!(arrows(&files), ["a/read.rs → a/shape.rs", "b.rs → a/read.rs", "b.rs → a/shape.rs"]);
    }

    #[test]
    fn a_facade_that_uses_its_names_has_arrows() {
        let files = [
            ("lib.rs", "mod a; pub use a::Shape; fn f() -> Shape { Shape }"),
            ("a.rs", "pub struct Shape; impl Shape { fn f() { crate::f() } }"),
        ];
        assert_eq!(arrows(&files), ["a.rs → lib.rs", "lib.rs → a.rs"]);
    }

    #[test]
    fn tests_comments_strings_and_other_crates_are_no_arrows() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c_tests; #[cfg(test)] mod gone;"),
            ("a.rs", "pub fn run() {} pub mod inner { pub fn walk() {} }"),
            (
                "b.rs",
                "// crate::a::run\n use anyhow::anyhow; fn f(s: S) { anyhow!(\"crate::a::run\"); s.a::<u8>(); ::a::run() }
                 impl S { #[cfg(test)] fn g() { crate::a::run() } }
                 #[cfg(test)] mod tests { use crate::a::run; } #[cfg(all(unix, test))] use crate::a;",
            ),
            ("c_tests.rs", "use crate::a::run;"),
        ];
        assert_eq!(arrows(&files), [""; 0]);
    }

    #[test]
    fn modules_within_a_file_and_named_files_are_found() {
        let files = [
            ("lib.rs", "mod a; #[path = \"d/other.rs\"] mod b;"),
            ("a/mod.rs", "mod inner { mod deep; pub(super) fn f() { deep::run() } }"),
            ("a/inner/deep.rs", "pub fn run() { super::super::super::b::run() }"),
            ("d/next.rs", "fn f() { super::run() }"),
            (
                "d/other.rs",
                "mod next; pub fn run() {} #[cfg(not(test))] fn g() { crate::a::made_by_a_macro() }",
            ),
        ];
        let expected = [
            "a/inner/deep.rs → d/other.rs",
            "a/mod.rs → a/inner/deep.rs",
            "d/next.rs → d/other.rs",
            "d/other.rs → a/mod.rs",
        ];
        assert_eq!(arrows(&files), expected);
    }
}
