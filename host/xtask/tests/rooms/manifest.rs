//! Holds a member's manifest against its row of the table.

use toml::{Table, Value};

use crate::table::{Crates, DEV_CRATES, ROOMS, Room, TESTKIT};

/// Says, one complaint a line, how the manifest of the member at `path` breaks the table; empty when it does not.
///
/// `root` is the workspace's own manifest, where inherited dependencies are spelt out.
pub(crate) fn complaints(root: &Table, path: &str, manifest: &Table) -> Vec<String> {
    let package = table(manifest, "package")
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some(room) = ROOMS.iter().find(|room| room.package == package) else {
        return vec![format!("`{package}` at `{path}` has no row")];
    };
    let mut complaints = Vec::new();
    if room.path != path {
        complaints.push(format!(
            "`{package}` belongs at `{}`, not `{path}`",
            room.path
        ));
    }
    if table(manifest, "lints").and_then(|lints| lints.get("workspace"))
        != Some(&Value::Boolean(true))
    {
        complaints.push(format!(
            "`{package}` does not inherit the workspace's lints"
        ));
    }
    for section in sections(manifest) {
        for (key, value) in section.dependencies {
            let import = Import::resolve(root, key, value);
            complaints.extend(import.complaint(room, section.is_dev));
        }
    }
    complaints
}

/// One table of dependencies.
struct Section<'a> {
    is_dev: bool,
    dependencies: &'a Table,
}

/// Every table of dependencies: for all targets and for single ones.
fn sections(manifest: &Table) -> Vec<Section<'_>> {
    let targets = table(manifest, "target")
        .into_iter()
        .flat_map(Table::values);
    let places = std::iter::once(manifest).chain(targets.filter_map(Value::as_table));
    places
        .flat_map(|place| {
            ["dependencies", "build-dependencies", "dev-dependencies"].map(|name| (place, name))
        })
        .filter_map(|(place, name)| {
            let dependencies = table(place, name)?;
            Some(Section {
                is_dev: name == "dev-dependencies",
                dependencies,
            })
        })
        .collect()
}

/// One dependency under its real name.
struct Import {
    package: String,
    /// Where it comes from when that is not the registry: the key that says so.
    source: Option<&'static str>,
}

impl Import {
    /// Follows `workspace = true` to the root manifest, and `package = ".."` to the real name.
    fn resolve(root: &Table, key: &str, value: &Value) -> Self {
        let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
        let spelt = if inherited {
            table(root, "workspace")
                .and_then(|workspace| table(workspace, "dependencies"))
                .and_then(|dependencies| dependencies.get(key))
        } else {
            Some(value)
        };
        let said = |name: &str| spelt.and_then(|spelt| spelt.get(name));
        Self {
            package: said("package")
                .and_then(Value::as_str)
                .unwrap_or(key)
                .to_owned(),
            source: ["path", "git", "registry"]
                .into_iter()
                .find(|source| said(source).is_some()),
        }
    }

    fn complaint(&self, room: &Room, is_dev: bool) -> Option<String> {
        let package = self.package.as_str();
        let is_ours = ROOMS.iter().any(|room| room.package == package);
        let allowed = if is_ours {
            self.source == Some("path")
                && (room.rooms.contains(&package) || (is_dev && package == TESTKIT))
        } else {
            self.source.is_none()
                && (room.crates.allow(package) || (is_dev && DEV_CRATES.contains(&package)))
        };
        let kind = if is_dev { "for tests" } else { "" };
        let from = self.source.unwrap_or("the registry");
        (!allowed).then(|| {
            format!(
                "`{}` may not import `{package}` {kind} (from {from})",
                room.package
            )
            .replace("  ", " ")
        })
    }
}

impl Crates {
    fn allow(&self, package: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Only(names) => names.iter().any(|name| match name.strip_suffix('*') {
                Some(start) => package.starts_with(start),
                None => package == *name,
            }),
        }
    }
}

fn table<'a>(from: &'a Table, name: &str) -> Option<&'a Table> {
    from.get(name).and_then(Value::as_table)
}
