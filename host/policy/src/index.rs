//! Finds the rules that can match a question, without looking at the others.
//!
//! Cedar evaluates every rule that it is given, so it is given few: rules lie in buckets by action, principal, the task that
//! their condition begins with, and resource. A question names the few keys that its rules could have. Every rule whose
//! scope names something else cannot match; so asking the buckets together is asking the whole set, which a fuzz oracle
//! holds. Permits and forbids lie in the same buckets: no slice is without a forbid that could match.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, PolicySetError};
use host_core::{ArgumentPattern, CanonicalPath, HostPattern, Network};

use crate::action::Action;
use crate::scope::{self, CALLER, GROUP, Principal};
use crate::set::Rule;
use crate::target::{self, EndpointTarget, Target, program_text};
use crate::world::{ACTION, FACTS, INPUT, LISTS, NUMBERS};

/// Stands for a part of a scope that is left open.
const OPEN: Key = 0;

/// A number for a name in some scope.
pub(crate) type Key = u32;

/// Rules that one question can meet together.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// All of them.
    pub(crate) rules: cedar_policy::PolicySet,
    /// Those that forbid.
    pub(crate) forbids: cedar_policy::PolicySet,
    pub(crate) forbids_count: usize,
}

type ByResource = HashMap<Key, Bucket>;
type ByTask = HashMap<Key, ByResource>;
type ByPrincipal = HashMap<Key, ByTask>;

/// The rules of a set by when they can match.
#[derive(Debug, Default)]
pub(crate) struct Index {
    buckets: HashMap<Action, ByPrincipal>,
    names: Names,
    /// For each action the resources that some forbid names.
    forbidden: HashMap<Action, Forbidden>,
}

/// The resources that forbids of one action name.
#[derive(Debug, Default)]
struct Forbidden {
    /// Paths, in order: those below another stand behind it.
    paths: BTreeMap<String, (Target, Key)>,
    others: Vec<(Target, Key)>,
}

/// The keys that the rules for a question can have.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) principals: Vec<Key>,
    pub(crate) tasks: Vec<Key>,
}

impl Index {
    /// Puts every rule where it can match. One that has no place is an error: it may be one that forbids.
    pub(crate) fn of(rules: &[Rule]) -> Result<Self, Box<PolicySetError>> {
        let mut index = Self::default();
        for rule in rules {
            index.add(rule)?;
        }
        Ok(index)
    }

    fn add(&mut self, rule: &Rule) -> Result<(), Box<PolicySetError>> {
        let scope = &rule.scope;
        let principal = match &scope.principal {
            None => OPEN,
            Some(Principal::Caller(name)) => self.names.key(CALLER, name),
            Some(Principal::Group(name)) => self.names.key(GROUP, name),
        };
        let task = match &scope.within {
            None => OPEN,
            Some(target) => self.names.key(target.kind(), &target.id()),
        };
        let resource = match &scope.resource {
            None => OPEN,
            Some(target) => self.names.resource(target),
        };
        // Also what only a condition names: it is looked for among what covers a resource.
        for literal in rule.policy.entity_literals() {
            if let Ok(target) = scope::resource(&literal) {
                self.names.resource(&target);
            }
        }
        for action in &scope.actions {
            let bucket = self
                .buckets
                .entry(*action)
                .or_default()
                .entry(principal)
                .or_default()
                .entry(task)
                .or_default()
                .entry(resource)
                .or_default();
            bucket.add(rule)?;
            if let Some(target) = scope.resource.as_ref().filter(|_| rule.forbids()) {
                self.forbidden
                    .entry(*action)
                    .or_default()
                    .add(target, resource);
            }
        }
        Ok(())
    }

    /// The keys of who asks, in which groups, for which task of which module.
    pub(crate) fn keys<'a>(
        &self,
        caller: &str,
        groups: impl Iterator<Item = &'a str>,
        task: &str,
        module: Option<&str>,
    ) -> Keys {
        let mut principals = vec![OPEN];
        principals.extend(self.names.known(CALLER, caller));
        principals.extend(groups.filter_map(|group| self.names.known(GROUP, group)));
        let mut tasks = vec![OPEN];
        tasks.extend(self.names.known(target::TASK, task));
        tasks.extend(module.and_then(|module| self.names.known(target::MODULE, module)));
        Keys { principals, tasks }
    }

    /// The rules for an action, and whoever asks for whichever task, by the resource that they name.
    fn by_resources<'a>(
        &'a self,
        action: Action,
        keys: &'a Keys,
    ) -> impl Iterator<Item = &'a ByResource> {
        let by_tasks = self
            .buckets
            .get(&action)
            .into_iter()
            .flat_map(|by_principal| {
                keys.principals
                    .iter()
                    .filter_map(|principal| by_principal.get(principal))
            });
        by_tasks.flat_map(|by_task| keys.tasks.iter().filter_map(|task| by_task.get(task)))
    }

    /// The buckets for an action and resources with these keys; those of an open resource first.
    pub(crate) fn buckets<'a>(
        &'a self,
        action: Action,
        keys: &'a Keys,
        resources: &'a [Key],
    ) -> impl Iterator<Item = &'a Bucket> {
        self.by_resources(action, keys)
            .flat_map(move |by_resource| {
                std::iter::once(&OPEN)
                    .chain(resources)
                    .filter_map(|resource| by_resource.get(resource))
            })
    }

    /// The buckets that can match for one resource and no open one.
    pub(crate) fn buckets_of<'a>(
        &'a self,
        action: Action,
        keys: &'a Keys,
        resource: Key,
    ) -> impl Iterator<Item = &'a Bucket> {
        self.by_resources(action, keys)
            .filter_map(move |by_resource| by_resource.get(&resource))
    }

    /// All buckets for an action, whatever resource they name.
    pub(crate) fn buckets_of_action<'a>(
        &'a self,
        action: Action,
        keys: &'a Keys,
    ) -> impl Iterator<Item = &'a Bucket> {
        self.by_resources(action, keys).flat_map(HashMap::values)
    }

    /// The resources in rules that cover all of `asked`, itself among them, by key.
    pub(crate) fn covering(&self, asked: &Target) -> Vec<Key> {
        let mut found = Vec::new();
        self.names.covering(asked, &mut |key| found.push(key));
        found.sort_unstable();
        found.dedup();
        found
    }

    /// The key of a name in some rule.
    pub(crate) fn key(&self, target: &Target) -> Option<Key> {
        self.names.known(target.kind(), &target.id())
    }

    /// The entity of a name in some rule.
    pub(crate) fn uid(&self, key: Key) -> Option<&EntityUid> {
        let at = usize::try_from(key).ok()?.checked_sub(1)?;
        self.names.uids.get(at)?.as_ref()
    }

    /// The paths that forbids of an action name at `path`, in it, and above it.
    pub(crate) fn forbidden_around(
        &self,
        action: Action,
        path: &CanonicalPath,
    ) -> Vec<(Target, Key)> {
        let Some(forbidden) = self.forbidden.get(&action) else {
            return Vec::new();
        };
        let mut around = forbidden.met(&Target::Path(path.clone()));
        above(path.as_str(), "", &mut |text| {
            around.extend(forbidden.paths.get(text).cloned());
        });
        around
    }

    /// The resources that forbids of an action name and that `asked` meets, but for those in `covering`.
    pub(crate) fn met(
        &self,
        action: Action,
        asked: &Target,
        covering: &[Key],
    ) -> Vec<(Target, Key)> {
        let Some(forbidden) = self.forbidden.get(&action) else {
            return Vec::new();
        };
        let mut met = forbidden.met(asked);
        met.retain(|(_, key)| !covering.contains(key));
        met
    }
}

impl Bucket {
    /// All of some rules.
    pub(crate) fn of(rules: &[Rule]) -> Result<Self, Box<PolicySetError>> {
        let mut bucket = Self::default();
        for rule in rules {
            bucket.add(rule)?;
        }
        Ok(bucket)
    }

    fn add(&mut self, rule: &Rule) -> Result<(), Box<PolicySetError>> {
        self.rules.add(rule.policy.clone())?;
        if rule.forbids() {
            self.forbids.add(rule.policy.clone())?;
            self.forbids_count += 1;
        }
        Ok(())
    }
}

impl Forbidden {
    fn add(&mut self, target: &Target, key: Key) {
        if let Target::Path(path) = target {
            self.paths.insert(path.to_string(), (target.clone(), key));
        } else if !self.others.iter().any(|(_, other)| *other == key) {
            self.others.push((target.clone(), key));
        }
    }

    fn met(&self, asked: &Target) -> Vec<(Target, Key)> {
        let Target::Path(path) = asked else {
            let meets =
                |(target, _): &&(Target, Key)| target.meets(asked) || lies_behind(target, asked);
            return self.others.iter().filter(meets).cloned().collect();
        };
        // What lies below follows in the order of texts, up to the first that does not begin so.
        let below = if path.as_str() == "/" {
            "/".to_owned()
        } else {
            format!("{path}/")
        };
        self.paths
            .range(below.clone()..)
            .take_while(|(text, _)| text.starts_with(&below))
            .map(|(_, met)| met.clone())
            .collect()
    }
}

/// Whether these are addresses that a name may lead to.
pub(crate) fn lies_behind(target: &Target, asked: &Target) -> bool {
    match (target, asked) {
        (Target::Endpoint(target), Target::Endpoint(asked)) => target.lies_behind(asked),
        _ => false,
    }
}

/// The names in scopes, and how to find those that cover a target without trying each.
#[derive(Debug, Default)]
struct Names {
    keys: HashMap<&'static str, HashMap<String, Key>>,
    uids: Vec<Option<EntityUid>>,
    /// How many bits the networks have that some rule names.
    prefixes_v4: BTreeSet<u8>,
    prefixes_v6: BTreeSet<u8>,
    /// Endpoints with a range, by host.
    ranged: HashMap<String, Vec<(EndpointTarget, Key)>>,
    /// Programs with patterns among their arguments, by path.
    patterned: HashMap<String, Vec<(Target, Key)>>,
}

impl Names {
    fn key(&mut self, kind: &'static str, id: &str) -> Key {
        let of_kind = self.keys.entry(kind).or_default();
        if let Some(key) = of_kind.get(id) {
            return *key;
        }
        // INVARIANT: `uids` has the entity of key n at n - 1; a set has far fewer names than there are keys.
        self.uids.push(uid(kind, id));
        let key = Key::try_from(self.uids.len()).unwrap_or(Key::MAX);
        of_kind.insert(id.to_owned(), key);
        key
    }

    fn known(&self, kind: &str, id: &str) -> Option<Key> {
        self.keys.get(kind)?.get(id).copied()
    }

    fn resource(&mut self, target: &Target) -> Key {
        let key = self.key(target.kind(), &target.id());
        match target {
            Target::Endpoint(endpoint) => {
                if let HostPattern::Network(network) = &endpoint.host {
                    let prefixes = match network.base() {
                        IpAddr::V4(_) => &mut self.prefixes_v4,
                        IpAddr::V6(_) => &mut self.prefixes_v6,
                    };
                    prefixes.insert(network.prefix());
                }
                if endpoint.range.is_some() {
                    let of_host = self.ranged.entry(endpoint.host.to_string()).or_default();
                    push_new(of_host, endpoint.clone(), key);
                }
            }
            Target::Program(command) => {
                let is_pattern =
                    |argument: &ArgumentPattern| !matches!(argument, ArgumentPattern::Literal(_));
                if command.arguments().iter().any(is_pattern) {
                    let of_program = self
                        .patterned
                        .entry(command.program().to_string())
                        .or_default();
                    push_new(of_program, target.clone(), key);
                }
            }
            _ => {}
        }
        key
    }

    fn covering(&self, asked: &Target, found: &mut dyn FnMut(Key)) {
        let mut known = |kind: &str, id: &str| {
            if let Some(key) = self.known(kind, id) {
                found(key);
            }
        };
        match asked {
            Target::Path(path) => above(path.as_str(), "", &mut |id| known(target::PATH, id)),
            Target::Url(url) => {
                let text = target::url_text(url);
                let origin =
                    text.len() - text.splitn(4, '/').nth(3).map_or(0, |path| path.len() + 1);
                let (origin, path) = text.split_at(origin);
                above(path, origin, &mut |id| known(target::URL, id));
            }
            Target::Program(command) => {
                for count in 0..=command.arguments().len() {
                    known(target::PROGRAM, &program_text(command, count));
                }
                let of_program = self.patterned.get(command.program().as_str());
                for (target, key) in of_program.into_iter().flatten() {
                    if target.covers(asked) {
                        found(*key);
                    }
                }
            }
            Target::Endpoint(endpoint) => self.covering_endpoint(endpoint, found),
            Target::Named { kind, name } => {
                known(kind, name);
                if let Some((module, _)) = name.split_once("::").filter(|_| *kind == target::TASK) {
                    known(target::MODULE, module);
                } else if *kind == target::TASK {
                    known(target::MODULE, name);
                }
            }
        }
    }

    fn covering_endpoint(&self, asked: &EndpointTarget, found: &mut dyn FnMut(Key)) {
        let mut hosts = vec![asked.host.clone()];
        match &asked.host {
            HostPattern::Name(name) => wildcards(name.as_str(), &mut hosts),
            HostPattern::Below(suffix) => wildcards(suffix.as_str(), &mut hosts),
            HostPattern::Address(address) => self.networks(*address, u8::MAX, &mut hosts),
            HostPattern::Network(network) => {
                self.networks(network.base(), network.prefix(), &mut hosts)
            }
        }
        for host in hosts {
            for (endpoint, key) in self.ranged.get(&host.to_string()).into_iter().flatten() {
                if endpoint.covers(asked) {
                    found(*key);
                }
            }
            for port in [None, asked.port] {
                let literal = EndpointTarget {
                    host: host.clone(),
                    port,
                    range: None,
                };
                let key = self.known(target::ENDPOINT, &literal.to_string());
                if let Some(key) = key.filter(|_| literal.covers(asked)) {
                    found(key);
                }
            }
        }
    }

    /// The networks around an address that have as many bits as some in a rule.
    fn networks(&self, address: IpAddr, prefix_max: u8, into: &mut Vec<HostPattern>) {
        let prefixes = if address.is_ipv4() {
            &self.prefixes_v4
        } else {
            &self.prefixes_v6
        };
        let around = prefixes
            .range(..=prefix_max)
            .map(|prefix| Network::around(address, *prefix));
        into.extend(around.map(HostPattern::Network));
    }
}

fn push_new<T>(list: &mut Vec<(T, Key)>, value: T, key: Key) {
    if !list.iter().any(|(_, other)| *other == key) {
        list.push((value, key));
    }
}

/// The texts `before/`, `before/a`, `before/a/b` for the path `/a/b`.
fn above(path: &str, before: &str, each: &mut dyn FnMut(&str)) {
    let text = format!("{before}{path}");
    each(&format!("{before}/"));
    for (at, _) in path.match_indices('/').skip(1) {
        each(text.get(..before.len() + at).unwrap_or_default());
    }
    if path.len() > 1 {
        each(&text);
    }
}

/// `*.b.c`, `*.c` for the name `a.b.c`.
fn wildcards(name: &str, into: &mut Vec<HostPattern>) {
    let suffixes = name
        .match_indices('.')
        .filter_map(|(at, _)| name.get(at + 1..));
    into.extend(suffixes.filter_map(|suffix| Some(HostPattern::Below(suffix.parse().ok()?))));
}

/// The entity of this type and id; none where the type is not of the schema.
pub(crate) fn uid(kind: &str, id: &str) -> Option<EntityUid> {
    static TYPES: LazyLock<HashMap<&'static str, EntityTypeName>> = LazyLock::new(|| {
        let named = ENTITY_TYPES
            .iter()
            .filter_map(|kind| Some((*kind, kind.parse().ok()?)));
        named.collect()
    });
    let kind = TYPES.get(kind)?.clone();
    Some(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}

/// Every type of the schema.
const ENTITY_TYPES: [&str; 16] = [
    CALLER,
    GROUP,
    target::PATH,
    target::ENDPOINT,
    target::URL,
    target::PROGRAM,
    target::ENV_VAR,
    target::SECRET,
    target::USER,
    target::TASK,
    target::MODULE,
    INPUT,
    FACTS,
    NUMBERS,
    LISTS,
    ACTION,
];
