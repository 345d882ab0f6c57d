//! Which files of other modules a module needs: those that its tasks name, and the type aliases they use.
//!
//! Only names are gathered here. Finding the modules, and reading the alias files that were found to see
//! what they use in turn, is for the caller, who has a module path.

use std::collections::{BTreeMap, BTreeSet};

use host_core::ModuleName;

/// The module whose type aliases are built in.
const BUILTIN_ALIASES: &str = "stdlib";

/// The files that a module needs from others.
#[derive(Clone, Debug)]
pub struct Needs {
    own: ModuleName,
    paths: BTreeMap<ModuleName, BTreeSet<String>>,
}

impl Needs {
    /// Nothing yet, for the module of this name.
    pub fn of(own: ModuleName) -> Self {
        Self {
            own,
            paths: BTreeMap::new(),
        }
    }

    /// Adds a file that a task lists; a path that ends in a slash is a directory with all below it.
    ///
    /// The answer says whether it is new and another module's.
    pub fn add_file(&mut self, module: &ModuleName, path: &str) -> bool {
        *module != self.own
            && self
                .paths
                .entry(module.clone())
                .or_default()
                .insert(path.to_owned())
    }

    /// Adds the alias files behind every name such as `Other::Port` in the text of a type, or of an alias
    /// file, whose comments, strings and regular expressions are skipped.
    ///
    /// The answer is what was not known before: the caller reads these files and adds their text too.
    pub fn add_aliases(&mut self, text: &str) -> Vec<(ModuleName, String)> {
        let mut found = Vec::new();
        for name in qualified_names(text) {
            let name = name.to_ascii_lowercase();
            let Some((module, rest)) = name.split_once("::") else {
                continue;
            };
            // What is no module's name can be no module's alias: checking the type will say so.
            let Ok(module) = module.parse::<ModuleName>() else {
                continue;
            };
            let path = format!("types/{}.pp", rest.replace("::", "/"));
            if module.as_str() != BUILTIN_ALIASES && self.add_file(&module, &path) {
                found.push((module, path));
            }
        }
        found
    }

    /// What is needed: by module, the paths in it.
    pub fn modules(&self) -> &BTreeMap<ModuleName, BTreeSet<String>> {
        &self.paths
    }
}

/// The names with `::` in a text of the Puppet type language.
fn qualified_names(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '\'' | '"' | '/' => quoted_bytes(rest, first),
            _ if first.is_ascii_alphanumeric() || first == '_' => name_bytes(rest),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        let is_name = |part: &str| part.starts_with(|first: char| first.is_ascii_uppercase());
        if token.contains("::") && token.split("::").all(is_name) {
            names.push(token);
        }
        rest = after;
    }
    names
}

/// The length of a string or regular expression with both its marks.
fn quoted_bytes(text: &str, mark: char) -> usize {
    let mut is_escaped = false;
    for (place, character) in text.char_indices().skip(1) {
        if is_escaped {
            is_escaped = false;
        } else if character == '\\' {
            is_escaped = true;
        } else if character == mark {
            return place + mark.len_utf8();
        }
    }
    text.len()
}

fn name_bytes(text: &str) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    text.find(|c| !is_part(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
