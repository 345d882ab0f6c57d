//! Turns the JSON of a metadata file into [`Metadata`], collecting lints on the way.

use std::str::FromStr;

use host_core::{ParameterName, Shown};
use serde_json::Value;

use super::{
    FILES_MAX, FileReference, IMPLEMENTATIONS_MAX, Implementation, InputMethod, Lint,
    METADATA_BYTES_MAX, Metadata, MetadataError, PARAMETERS_MAX, PATTERNS_MAX, Parameter,
    ParameterType, REQUIREMENTS_MAX, is_plain_path,
};
use crate::asks::TaskAsks;
use crate::json::{self, Fields, Item, ShapeError};
use crate::types::{DataType, ShownType, TypeAliases, chain};

/// The keys of the task format. `identifiers` is opaque and read by nobody.
const KEYS: [&str; 11] = [
    "description",
    "extensions",
    "files",
    "identifiers",
    "implementations",
    "input_method",
    "parameters",
    "private",
    "puppet_task_version",
    "remote",
    "supports_noop",
];
const PARAMETER_KEYS: [&str; 4] = ["default", "description", "sensitive", "type"];
const IMPLEMENTATION_KEYS: [&str; 5] = ["files", "input_method", "name", "remote", "requirements"];

const IGNORED: &str = "is not a key of the task format and is ignored";

impl Metadata {
    /// Reads a metadata file: UTF-8 with or without a byte order mark, of at most [`METADATA_BYTES_MAX`] bytes.
    /// An empty file is `{}`. `aliases` are the type aliases that its parameters may use. Whether defaults fit their
    /// types is not looked at: see [`Metadata::lint_defaults`].
    ///
    /// # Errors
    /// When it is not a JSON object within the limits, when a known key has another shape or value than the task
    /// format gives it, and when `extensions.host` holds anything that is not understood.
    pub fn read(bytes: &[u8], aliases: &TypeAliases) -> Result<(Self, Vec<Lint>), MetadataError> {
        if json::text(bytes, METADATA_BYTES_MAX)
            .map_err(MetadataError::Json)?
            .trim()
            .is_empty()
        {
            return Ok((Self::default(), Vec::new()));
        }
        let document = json::read(bytes, METADATA_BYTES_MAX).map_err(MetadataError::Json)?;
        let fields = Item::root(&document).object()?;
        if fields
            .get("puppet_task_version")
            .is_some_and(|version| version.value != &Value::from(1))
        {
            return Err(MetadataError::Version);
        }
        let mut lints = ignored(&fields, &KEYS);
        let parameters = fields
            .get("parameters")
            .map(|item| read_parameters(&item, aliases, &mut lints))
            .transpose()?;
        let metadata = Self {
            description: read_text(&fields, "description")?,
            supports_noop: read_flag(&fields, "supports_noop")?.unwrap_or(false),
            input_method: read_method(&fields)?,
            asks: read_asks(&fields, parameters.as_deref().unwrap_or_default())?,
            parameters,
            implementations: read_implementations(&fields, &mut lints)?,
            files: read_files(&fields)?,
            private: read_flag(&fields, "private")?.unwrap_or(false),
            remote: read_flag(&fields, "remote")?.unwrap_or(false),
        };
        Ok((metadata, lints))
    }

    /// A lint for every default that does not fit its type.
    ///
    /// This compiles the patterns of all types that have a default, which takes time; a run does not need it.
    #[must_use]
    pub fn lint_defaults(&self, aliases: &TypeAliases) -> Vec<Lint> {
        let aliases = aliases.with_own_patterns();
        self.parameters
            .iter()
            .flatten()
            .filter_map(|parameter| default_mismatch(parameter, &aliases))
            .collect()
    }
}

fn read_asks(fields: &Fields<'_>, parameters: &[Parameter]) -> Result<TaskAsks, MetadataError> {
    let Some(extensions) = fields.get("extensions") else {
        return Ok(TaskAsks::default());
    };
    let Some(item) = extensions.object()?.get("host") else {
        return Ok(TaskAsks::default());
    };
    let asks = TaskAsks::read(&item)?;
    asks.fit(&item.place, parameters)?;
    Ok(asks)
}

fn read_parameters(
    item: &Item<'_>,
    aliases: &TypeAliases,
    lints: &mut Vec<Lint>,
) -> Result<Vec<Parameter>, MetadataError> {
    let fields = item.object()?;
    if fields.len() > PARAMETERS_MAX {
        return Err(too_many(item, fields.len(), PARAMETERS_MAX));
    }
    let parameters: Vec<Parameter> = fields
        .iter()
        .map(|(name, item)| read_parameter(name, &item, aliases, lints))
        .collect::<Result<_, _>>()?;
    let patterns = parameters.iter().map(|parameter| match &parameter.kind {
        ParameterType::Typed(data_type) => data_type.patterns(),
        ParameterType::Untyped | ParameterType::Unreadable { .. } => 0,
    });
    let have = patterns.sum();
    if have > PATTERNS_MAX {
        return Err(MetadataError::TooManyPatterns { have });
    }
    Ok(parameters)
}

fn read_parameter(
    name: &str,
    item: &Item<'_>,
    aliases: &TypeAliases,
    lints: &mut Vec<Lint>,
) -> Result<Parameter, MetadataError> {
    let name = ParameterName::from_str(name).map_err(|_| MetadataError::ParameterName {
        name: Shown(name).to_string(),
    })?;
    let kind = ParameterType::Untyped;
    let mut parameter = Parameter {
        name,
        kind,
        description: None,
        default: None,
        sensitive: false,
    };
    match item.value {
        Value::Null => return Ok(parameter),
        Value::String(text) => {
            lints.push(lint(
                item,
                "is a text, read as the description of a parameter without a type",
            ));
            parameter.description = Some(text.clone());
            return Ok(parameter);
        }
        _ => {}
    }
    let fields = item.object()?;
    lints.extend(ignored(&fields, &PARAMETER_KEYS));
    parameter.description = read_text(&fields, "description")?;
    parameter.sensitive = read_flag(&fields, "sensitive")?.unwrap_or(false);
    parameter.default = fields.get("default").map(|item| item.value.clone());
    if let Some(item) = fields.get("type") {
        parameter.kind = read_type(&item, lints)?;
    }
    if let ParameterType::Typed(data_type) = &parameter.kind {
        parameter.sensitive |= data_type.is_sensitive(aliases);
    }
    Ok(parameter)
}

fn read_type(item: &Item<'_>, lints: &mut Vec<Lint>) -> Result<ParameterType, ShapeError> {
    let text = item.text()?;
    Ok(match text.parse::<DataType>() {
        Ok(data_type) => ParameterType::Typed(data_type),
        Err(error) => {
            let reason = chain(&error);
            let shown = ShownType(&reason);
            lints.push(lint(
                item,
                &format!("cannot be read, so that the task cannot be run: {shown}"),
            ));
            ParameterType::Unreadable {
                text: text.to_owned(),
                reason,
            }
        }
    })
}

/// What is odd about the default of `parameter`.
fn default_mismatch(parameter: &Parameter, aliases: &TypeAliases) -> Option<Lint> {
    let (ParameterType::Typed(data_type), Some(default)) = (&parameter.kind, &parameter.default)
    else {
        return None;
    };
    let mismatch = data_type
        .mismatches("", default, aliases, parameter.sensitive)
        .into_iter()
        .next()?;
    Some(Lint {
        place: format!("parameters.{}.default", parameter.name),
        text: format!("does not fit the type: {mismatch}"),
    })
}

fn read_implementations(
    fields: &Fields<'_>,
    lints: &mut Vec<Lint>,
) -> Result<Vec<Implementation>, MetadataError> {
    let Some(item) = fields.get("implementations") else {
        return Ok(Vec::new());
    };
    item.list(IMPLEMENTATIONS_MAX)?
        .map(|item| read_implementation(&item, lints))
        .collect()
}

fn read_implementation(
    item: &Item<'_>,
    lints: &mut Vec<Lint>,
) -> Result<Implementation, MetadataError> {
    let fields = item.object()?;
    lints.extend(ignored(&fields, &IMPLEMENTATION_KEYS));
    let name = fields
        .get("name")
        .ok_or_else(|| item.mismatch("a `name`"))?;
    let file = name.text()?;
    if file.contains('/') || !is_plain_path(file) {
        return Err(MetadataError::ImplementationName { place: name.place });
    }
    let requirements = match fields.get("requirements") {
        Some(item) => item
            .list(REQUIREMENTS_MAX)?
            .map(|item| item.text().map(str::to_owned))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(Implementation {
        name: file.to_owned(),
        requirements,
        input_method: read_method(&fields)?,
        files: read_files(&fields)?,
        remote: read_flag(&fields, "remote")?,
    })
}

fn read_files(fields: &Fields<'_>) -> Result<Vec<FileReference>, MetadataError> {
    let Some(item) = fields.get("files") else {
        return Ok(Vec::new());
    };
    item.list(FILES_MAX)?
        .map(|item| {
            item.text()?.parse().map_err(|source| MetadataError::File {
                place: item.place,
                source,
            })
        })
        .collect()
}

fn read_method(fields: &Fields<'_>) -> Result<Option<InputMethod>, MetadataError> {
    let Some(item) = fields.get("input_method") else {
        return Ok(None);
    };
    let method = item
        .text()?
        .parse()
        .map_err(|source| MetadataError::InputMethod {
            place: item.place,
            source,
        })?;
    Ok(Some(method))
}

fn read_text(fields: &Fields<'_>, key: &str) -> Result<Option<String>, ShapeError> {
    fields
        .get(key)
        .map(|item| item.text().map(str::to_owned))
        .transpose()
}

fn read_flag(fields: &Fields<'_>, key: &str) -> Result<Option<bool>, ShapeError> {
    fields.get(key).map(|item| item.flag()).transpose()
}

fn ignored(fields: &Fields<'_>, known: &[&str]) -> Vec<Lint> {
    fields
        .unknown(known)
        .map(|place| Lint {
            place,
            text: IGNORED.to_owned(),
        })
        .collect()
}

fn lint(item: &Item<'_>, text: &str) -> Lint {
    Lint {
        place: item.place.clone(),
        text: text.to_owned(),
    }
}

fn too_many(item: &Item<'_>, have: usize, max: usize) -> MetadataError {
    MetadataError::TooMany {
        place: item.place.clone(),
        have,
        max,
    }
}
