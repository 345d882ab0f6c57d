//! Fills the placeholders of a task's asks from checked input.

use host_core::{Ask, FillError, ParameterName, Shown};

use crate::input::CheckedInput;
use crate::module::TaskDefinition;

/// Why the asks of a run cannot be stated.
#[derive(Debug, thiserror::Error)]
#[error("`{template}` cannot be asked for with this input")]
pub struct FillAsksError {
    /// The ask with its placeholders.
    pub template: String,
    /// Why.
    pub source: FillError,
}

impl TaskDefinition {
    /// What one run with `input` asks for, in the order of [`TaskDefinition::asks`].
    ///
    /// An optional ask whose placeholder has no value is dropped; of a list, only the elements that are empty are.
    ///
    /// # Errors
    /// When a required ask's placeholder has no value, or any value cannot stand where its placeholder does.
    pub fn fill_asks(&self, input: &CheckedInput) -> Result<Vec<Ask>, FillAsksError> {
        let mut asks = Vec::new();
        for ask in &self.asks.asks {
            let value = |name: &ParameterName| input.placeholder(name);
            let filled = if ask.optional {
                ask.template.fill_optional(&value)
            } else {
                ask.template.fill(&value)
            };
            let capabilities = match filled {
                Ok(capabilities) => capabilities,
                Err(error) if ask.optional && error.is_absent() => continue,
                Err(source) => {
                    return Err(FillAsksError {
                        template: Shown(ask.template.as_str()).to_string(),
                        source,
                    });
                }
            };
            asks.extend(capabilities.into_iter().map(|capability| Ask {
                capability,
                origin: self.asks_origin,
                optional: ask.optional,
                why: ask.why.clone(),
            }));
        }
        Ok(asks)
    }
}
