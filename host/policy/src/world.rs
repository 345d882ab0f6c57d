//! What Cedar is told of a request: entities, contexts, and who asks for what.
//!
//! It is put together once for all questions of a run, of what some rule of the set asks for. Every value has the type that the schema gives it, which a test
//! holds for requests of all kinds; so nothing is checked against the schema again for each question.

use std::collections::{BTreeSet, HashSet};

use cedar_policy::{Context, Entities, Entity, EntityUid, RestrictedExpression as Value};
use host_core::{Ask, Command, HostPattern, LimitName, Origin};

use crate::action::Action;
use crate::index::{Key, uid};
use crate::query::Request;
use crate::scope::{CALLER, GROUP};
use crate::set::PolicySet;
use crate::tags::{Tags, Wanted};
use crate::target::{self, EndpointTarget, Target};

pub(crate) const ACTION: &str = "Action";
pub(crate) const INPUT: &str = "Input";
pub(crate) const FACTS: &str = "Facts";
pub(crate) const NUMBERS: &str = "Numbers";
pub(crate) const LISTS: &str = "Lists";

/// The weekdays, from the one on which 1970 began.
const WEEKDAYS: [&str; 7] = ["thu", "fri", "sat", "sun", "mon", "tue", "wed"];
const SECONDS_OF_DAY: u64 = 86_400;
/// The largest number of Cedar, which stands for no bound.
const UNBOUNDED: i64 = i64::MAX;

/// Why a request cannot be put to the rules. It is refused then.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the request cannot be put to the rules: {0}")]
pub(crate) struct WorldError(String);

impl WorldError {
    pub(crate) fn of(error: &dyn std::fmt::Display) -> Self {
        Self(error.to_string())
    }
}

/// A request as Cedar sees it.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) caller: EntityUid,
    entities: Entities,
    fields: Vec<(String, Value)>,
    /// Whether some rule asks for who asks, and whether for what can be left out.
    asked: [bool; 2],
}

impl World {
    /// Puts a request together, with these targets and the names in rules that cover each.
    pub(crate) fn of(
        set: &PolicySet,
        wanted: &Wanted,
        request: &Request,
        targets: &[(Target, Vec<Key>)],
        asked: &BTreeSet<Action>,
    ) -> Result<Self, WorldError> {
        let caller = entity_uid(CALLER, request.caller.as_str())?;
        let subject = request.task.id();
        let task = entity_uid(target::TASK, &subject)?;
        let mut all = Vec::with_capacity(targets.len() + 32);
        let groups = set.groups.of(request.caller.as_str());
        let groups = groups.map(|group| entity_uid(GROUP, group));
        let groups: Vec<EntityUid> = groups.collect::<Result<_, _>>()?;
        all.push(entity(
            caller.clone(),
            [("name".to_owned(), text(request.caller.as_str()))],
            groups,
        )?);
        let module = request
            .task
            .module()
            .map(|name| entity_uid(target::MODULE, name))
            .transpose()?;
        all.push(entity(
            task.clone(),
            [("name".to_owned(), text(&subject))],
            module,
        )?);
        if wanted.has_field(INPUT_FIELD) {
            all.extend(tagged(wanted, INPUT, &request.input)?);
        }
        if wanted.has_field(FACTS_FIELD) {
            all.extend(tagged(wanted, FACTS, &request.facts)?);
        }
        all.extend(actions(asked)?);
        let mut seen: HashSet<EntityUid> = HashSet::from([task.clone()]);
        for (target, covering) in targets {
            let own = entity_uid(target.kind(), &target.id())?;
            if seen.insert(own.clone()) {
                let mut above = names(set, covering)?;
                above.retain(|uid| *uid != own);
                all.push(entity(own, attributes(target), above)?);
            }
        }
        let entities =
            Entities::from_entities(all, None).map_err(|error| WorldError::of(&error))?;
        let fields = fields(set, wanted, request, &task)?;
        Ok(Self {
            caller,
            entities,
            fields,
            asked: ["origin", "optional"].map(|name| wanted.has_field(name)),
        })
    }

    pub(crate) fn entities(&self) -> &Entities {
        &self.entities
    }

    /// The entities with one more: `own`, which is asked for as if it were `target` and lies in `parents`.
    pub(crate) fn with_parents(
        &self,
        own: EntityUid,
        target: &Target,
        parents: impl Iterator<Item = EntityUid>,
    ) -> Result<Entities, WorldError> {
        let parents = parents.filter(|parent| *parent != own).collect::<Vec<_>>();
        let added = entity(own, attributes(target), parents)?;
        self.entities
            .clone()
            .upsert_entities([added], None)
            .map_err(|error| WorldError::of(&error))
    }

    /// The context of the question whether the task may run.
    pub(crate) fn of_run(&self) -> Result<Context, WorldError> {
        context(self.fields.clone())
    }

    /// The context of a question about an ask.
    pub(crate) fn of_ask(&self, origin: Origin, optional: bool) -> Result<Context, WorldError> {
        let mut fields = self.fields.clone();
        let [wants_origin, wants_optional] = self.asked;
        if wants_origin {
            fields.push(("origin".to_owned(), text(origin.as_str())));
        }
        if wants_optional {
            fields.push(("optional".to_owned(), Value::new_bool(optional)));
        }
        context(fields)
    }
}

/// The attributes of what an ask is about.
pub(crate) fn attributes(target: &Target) -> Vec<(String, Value)> {
    let named = |name: &str, value: Value| (name.to_owned(), value);
    match target {
        Target::Path(path) => vec![named("path", text(path.as_str()))],
        Target::Endpoint(endpoint) => of_endpoint(endpoint),
        Target::Url(url) => vec![
            named("method", text(url.method().as_str())),
            named("scheme", text(&url.scheme().to_string())),
            named("host", text(&url.host().to_string())),
            named("port", Value::new_long(url.port().get().into())),
            named("path", text(&format!("/{}", url.segments().join("/")))),
        ],
        Target::Program(command) => of_command(command),
        Target::Named { name, .. } => vec![named("name", text(name))],
    }
}

fn of_endpoint(endpoint: &EndpointTarget) -> Vec<(String, Value)> {
    let range = endpoint
        .range
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    let port = endpoint.port.map_or(0, |port| port.get().into());
    let mut attributes = vec![
        ("host".to_owned(), text(&endpoint.host.to_string())),
        ("port".to_owned(), Value::new_long(port)),
        ("range".to_owned(), text(&range)),
    ];
    if let HostPattern::Address(address) = &endpoint.host {
        attributes.push(("address".to_owned(), Value::new_ip(address.to_string())));
    }
    attributes
}

fn of_command(command: &Command) -> Vec<(String, Value)> {
    let user = command.user().map(ToString::to_string).unwrap_or_default();
    let arguments = command.arguments();
    let is_literal = |argument: &host_core::ArgumentPattern| {
        matches!(argument, host_core::ArgumentPattern::Literal(_))
    };
    let count = i64::try_from(arguments.len()).unwrap_or(UNBOUNDED);
    let mut attributes = vec![
        ("program".to_owned(), text(command.program().as_str())),
        ("user".to_owned(), text(&user)),
        (
            "exact".to_owned(),
            Value::new_bool(arguments.iter().all(is_literal)),
        ),
        ("argc".to_owned(), Value::new_long(count)),
    ];
    for (at, argument) in arguments.iter().enumerate() {
        let shown = match argument {
            host_core::ArgumentPattern::Literal(literal) => literal.clone(),
            pattern => pattern.to_string(),
        };
        attributes.push((format!("arg{}", at + 1), text(&shown)));
    }
    attributes
}

/// The fields that every context has.
const FIELDS: [&str; 12] = [
    "task",
    "bundle",
    INPUT_FIELD,
    FACTS_FIELD,
    "node",
    "limits",
    "walls",
    "noop",
    "time",
    "utc",
    "reason",
    "predicates",
];
const INPUT_FIELD: &str = "input";
const FACTS_FIELD: &str = "facts";

/// Those of them that are wanted.
fn fields(
    set: &PolicySet,
    wanted: &Wanted,
    request: &Request,
    task: &EntityUid,
) -> Result<Vec<(String, Value)>, WorldError> {
    let wanted = FIELDS.into_iter().filter(|name| wanted.has_field(name));
    wanted
        .map(|name| Ok((name.to_owned(), field(name, set, request, task)?)))
        .collect()
}

fn field(
    name: &str,
    set: &PolicySet,
    request: &Request,
    task: &EntityUid,
) -> Result<Value, WorldError> {
    let node = &request.node;
    Ok(match name {
        "task" => Value::new_entity_uid(task.clone()),
        "bundle" => bundle(request)?,
        INPUT_FIELD => Value::new_entity_uid(entity_uid(INPUT, THE_ONE)?),
        FACTS_FIELD => Value::new_entity_uid(entity_uid(FACTS, THE_ONE)?),
        "node" => record(vec![
            (
                "name",
                text(node.name.as_ref().map_or("", |name| name.as_str())),
            ),
            ("groups", set_of(node.groups.iter())),
            ("classes", set_of(node.classes.iter())),
        ])?,
        "limits" => limits(request)?,
        "walls" => record(vec![
            ("landlock", Value::new_long(request.walls.landlock.into())),
            ("own_user", Value::new_bool(request.walls.own_user)),
        ])?,
        "noop" => Value::new_bool(request.noop),
        "time" => Value::new_datetime(request.time.to_string()),
        "utc" => utc(request)?,
        "reason" => text(&request.reason),
        "predicates" => {
            let caller = request.caller.as_str();
            let holding = set
                .predicates
                .holding(caller, &request.facts, &node.classes);
            set_of(holding.iter())
        }
        other => return Err(WorldError(format!("there is no field `{other}`"))),
    })
}

fn record(fields: Vec<(&str, Value)>) -> Result<Value, WorldError> {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Value::new_record(fields).map_err(|error| WorldError::of(&error))
}

fn bundle(request: &Request) -> Result<Value, WorldError> {
    let bundle = &request.bundle;
    let module = bundle.module.as_ref().map(ToString::to_string);
    record(vec![
        ("id", text(&bundle.id.to_string())),
        ("module", text(&module.unwrap_or_default())),
        ("version", text(&bundle.version)),
        ("signers", set_of(bundle.signers.iter())),
    ])
}

fn limits(request: &Request) -> Result<Value, WorldError> {
    let limit = |name: LimitName| {
        let value = request.limits.get(&name).copied().unwrap_or(u64::MAX);
        let value = i64::try_from(value).unwrap_or(UNBOUNDED);
        (name.as_str(), Value::new_long(value))
    };
    record(LimitName::ALL.map(limit).to_vec())
}

fn utc(request: &Request) -> Result<Value, WorldError> {
    let seconds = request.time.unix_seconds();
    let day = usize::try_from(seconds / SECONDS_OF_DAY % 7).unwrap_or(0);
    let of_day = seconds % SECONDS_OF_DAY;
    let number = |number: u64| Value::new_long(number.try_into().unwrap_or(0));
    record(vec![
        (
            "weekday",
            text(WEEKDAYS.get(day).copied().unwrap_or_default()),
        ),
        ("hour", number(of_day / 3_600)),
        ("minute", number(of_day / 60 % 60)),
    ])
}

/// There is one input, and one set of facts, in a request.
const THE_ONE: &str = "run";

/// The entity of an input or of facts, and those of its numbers and lists.
fn tagged(
    wanted: &Wanted,
    kind: &str,
    values: &serde_json::Map<String, serde_json::Value>,
) -> Result<[Entity; 3], WorldError> {
    let tags = Tags::of(values, wanted).map_err(|error| WorldError::of(&error))?;
    let (numbers, lists) = (entity_uid(NUMBERS, kind)?, entity_uid(LISTS, kind)?);
    let new = |own: EntityUid, attributes: Vec<(String, Value)>, tags: Vec<(String, Value)>| {
        Entity::new_with_tags(own, attributes, [], tags).map_err(|error| WorldError::of(&error))
    };
    let texts = tags
        .texts
        .into_iter()
        .map(|(name, value)| (name, text(&value)));
    let longs = tags
        .numbers
        .into_iter()
        .map(|(name, value)| (name, Value::new_long(value)));
    let sets = tags
        .lists
        .into_iter()
        .map(|(name, values)| (name, set_of(values.iter())));
    Ok([
        new(
            entity_uid(kind, THE_ONE)?,
            vec![
                ("numbers".to_owned(), Value::new_entity_uid(numbers.clone())),
                ("lists".to_owned(), Value::new_entity_uid(lists.clone())),
            ],
            texts.collect(),
        )?,
        new(numbers, Vec::new(), longs.collect())?,
        new(lists, Vec::new(), sets.collect())?,
    ])
}

/// Actions with their groups, as the schema has them.
fn actions(asked: &BTreeSet<Action>) -> Result<Vec<Entity>, WorldError> {
    let action = |action: &Action| {
        let group = action.group().map(|group| entity_uid(ACTION, group));
        let own = entity_uid(ACTION, action.as_str())?;
        Ok(Entity::new_no_attrs(
            own,
            group.transpose()?.into_iter().collect(),
        ))
    };
    asked.iter().map(action).collect()
}

/// The entities of names in rules.
pub(crate) fn names(set: &PolicySet, keys: &[Key]) -> Result<Vec<EntityUid>, WorldError> {
    let name = |key: &Key| {
        let uid = set.index.uid(*key).cloned();
        uid.ok_or_else(|| WorldError::of(&"a name in a rule has no entity"))
    };
    keys.iter().map(name).collect()
}

fn entity(
    own: EntityUid,
    attributes: impl IntoIterator<Item = (String, Value)>,
    parents: impl IntoIterator<Item = EntityUid>,
) -> Result<Entity, WorldError> {
    Entity::new_with_tags(own, attributes, parents, []).map_err(|error| WorldError::of(&error))
}

fn context(fields: Vec<(String, Value)>) -> Result<Context, WorldError> {
    Context::from_pairs(fields).map_err(|error| WorldError::of(&error))
}

pub(crate) fn entity_uid(kind: &str, id: &str) -> Result<EntityUid, WorldError> {
    uid(kind, id).ok_or_else(|| WorldError(format!("there is no type `{kind}`")))
}

fn text(text: &str) -> Value {
    Value::new_string(text.to_owned())
}

fn set_of<'a>(texts: impl Iterator<Item = &'a String>) -> Value {
    let texts: BTreeSet<&String> = texts.collect();
    Value::new_set(texts.into_iter().map(|item| text(item)))
}

/// Whether an ask needs a context of its own: who asks, and whether it may be left out.
pub(crate) fn context_key(ask: &Ask) -> (Origin, bool) {
    (ask.origin, ask.optional)
}

/// Panics where what Cedar is told of a request does not fit the schema.
#[cfg(test)]
pub(crate) fn fits_schema(set: &PolicySet, request: &Request) {
    let asks = request.asks().unwrap();
    let targets: Vec<(Target, Vec<Key>)> = asks
        .iter()
        .map(|ask| {
            let target = Target::of(&ask.capability, &request.task.id());
            let covering = set.index.covering(&target);
            (target, covering)
        })
        .collect();
    let all = Action::ALL.into_iter().collect();
    let wanted = Wanted {
        any_field: true,
        ..set.tags.clone()
    };
    let world = World::of(set, &wanted, request, &targets, &all).unwrap();
    let schema = crate::set::schema().unwrap();
    let entities: Vec<Entity> = world.entities.iter().cloned().collect();
    Entities::from_entities(entities, Some(schema)).unwrap();
    let run = match request.task {
        crate::query::Subject::Task(_) => "run",
        crate::query::Subject::Adhoc(_) => "run.adhoc",
    };
    let check = |action: &str, resource: EntityUid, context: Context| {
        let action = entity_uid(ACTION, action).unwrap();
        cedar_policy::Request::new(
            world.caller.clone(),
            action,
            resource,
            context,
            Some(schema),
        )
        .unwrap();
    };
    check(
        run,
        entity_uid(target::TASK, &request.task.id()).unwrap(),
        world.of_run().unwrap(),
    );
    for (ask, (target, _)) in asks.iter().zip(&targets) {
        for action in crate::action::forbidding(&ask.capability) {
            if action == Action::NetConnect && target.kind() == target::URL {
                continue;
            }
            let uid = entity_uid(target.kind(), &target.id()).unwrap();
            check(
                action.as_str(),
                uid,
                world.of_ask(ask.origin, ask.optional).unwrap(),
            );
        }
    }
}
