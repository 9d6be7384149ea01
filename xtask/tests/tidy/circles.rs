//! No file of a crate knows itself through others: a reader can begin at the file that knows no other.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use crate::modules::{Arrows, Crate};
use crate::repository::{none, packages, root};

/// The file that names an item, and the file that defines it.
type Arrow<'a> = (&'a PathBuf, &'a PathBuf);

/// The packages that have circles still. The list only gets shorter.
const PACKAGES_WITH_CIRCLES: &[&str] = &["browser-harness", "container-harness", "hermes", "hermes-harness"];

#[test]
fn no_files_of_a_crate_form_a_circle() {
    let all = circles_by_package();
    let listed = |name: &str| PACKAGES_WITH_CIRCLES.contains(&name);
    for (name, circles) in &all {
        println!("{name}: {} circles of files{}", circles.len(), if listed(name) { ", listed" } else { "" });
    }
    let found = all.iter().filter(|(name, _)| !listed(name)).flat_map(|(_, circles)| circles.clone());
    none("move an item to break the circle; the last line is the arrow on most circles", found.collect());
    let idle = PACKAGES_WITH_CIRCLES.iter().filter(|name| all.get(**name).is_none_or(Vec::is_empty));
    none(
        "PACKAGES_WITH_CIRCLES names a package without a circle",
        idle.map(|name| (*name).to_owned()).collect(),
    );
}

/// Returns the circles of each package of the workspace, in its library and its programs.
fn circles_by_package() -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for package in packages() {
        let name = package["name"].as_str().unwrap().to_owned();
        let mut circles = Vec::new();
        for target in package["targets"].as_array().unwrap() {
            let kinds = target["kind"].as_array().unwrap();
            if kinds.iter().any(|kind| ["lib", "bin", "proc-macro"].iter().any(|wanted| kind == wanted)) {
                let start = Path::new(target["src_path"].as_str().unwrap());
                let read = |path: &Path| fs::read_to_string(path).ok();
                circles.extend(circles_of(&Crate::read(start, &read).arrows()));
            }
        }
        found.insert(name, circles);
    }
    found
}

/// Returns descriptions of circles. If the named arrow of each is removed, no circle is left.
fn circles_of(arrows: &Arrows) -> Vec<String> {
    let mut left = arrows.clone();
    let mut found = Vec::new();
    loop {
        let circles: BTreeSet<_> = left.keys().filter_map(|file| shortest_circle(&left, file)).collect();
        let Some(circle) = circles.iter().min_by_key(|circle| circle.len()) else { return found };
        let on_circles =
            |arrow: &Arrow| circles.iter().filter(|other| arrows_of(other).contains(arrow)).count();
        let Some(busiest) = arrows_of(circle).into_iter().max_by_key(on_circles) else { return found };
        found.push(describe(&left, circle, busiest));
        let (from, to) = (busiest.0.clone(), busiest.1.clone());
        left.entry(from).or_default().remove(&to);
    }
}

/// Returns the arrows of a circle, one from each of its files.
fn arrows_of<'a>(circle: &[&'a PathBuf]) -> Vec<Arrow<'a>> {
    circle.iter().copied().zip(circle.iter().copied().cycle().skip(1)).collect()
}

/// Returns the shortest way from a file back to it, beginning with the first file by name.
fn shortest_circle<'a>(arrows: &'a Arrows, start: &'a PathBuf) -> Option<Vec<&'a PathBuf>> {
    let mut came_from = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(file) = queue.pop_front() {
        for next in arrows.get(file).into_iter().flat_map(BTreeMap::keys) {
            if came_from.contains_key(next) {
                continue;
            }
            came_from.insert(next, file);
            if next == start {
                let mut circle: Vec<&PathBuf> = vec![file];
                while circle.last() != Some(&start) {
                    circle.push(came_from[circle.last().unwrap()]);
                }
                circle.reverse();
                let first = circle.iter().enumerate().min_by_key(|(_, file)| **file).unwrap().0;
                circle.rotate_left(first);
                return Some(circle);
            }
            queue.push_back(next);
        }
    }
    None
}

/// Prints a circle with the line of each arrow, the one to remove last.
fn describe(arrows: &Arrows, circle: &[&PathBuf], to_remove: Arrow) -> String {
    let shown = |file: &PathBuf| file.strip_prefix(root()).unwrap_or(file).display().to_string();
    let mut circle = circle.to_vec();
    let first = circle.iter().position(|file| *file == to_remove.1).unwrap();
    circle.rotate_left(first);
    let names: Vec<_> = circle.iter().chain(circle.first()).map(|file| shown(file)).collect();
    let mut text = names.join(" → ");
    for (from, to) in arrows_of(&circle) {
        let place = &arrows[from][to];
        text += &format!("\n      {}:{} names {}", shown(from), place.line, place.path);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::Place;

    #[test]
    fn each_circle_names_its_lines_once() {
        let arrows = |all: &[(&str, &str)]| {
            let mut arrows = Arrows::new();
            for (line, (from, to)) in all.iter().enumerate() {
                let place = Place { line, path: format!("crate::{to}") };
                arrows.entry(from.into()).or_default().insert(to.into(), place);
            }
            arrows
        };
        assert_eq!(circles_of(&arrows(&[("a", "b"), ("b", "c"), ("a", "c")])), [""; 0]);
        let knot = [("d", "c"), ("c", "b"), ("b", "d"), ("b", "a"), ("c", "e"), ("e", "b")];
        let expected =
            "c → b → d → c\n      c:1 names crate::b\n      b:2 names crate::d\n      d:0 names crate::c";
        assert_eq!(circles_of(&arrows(&knot)), [expected]);
        assert_eq!(circles_of(&arrows(&[("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")])).len(), 2);
    }
}
