//! A mismatch made as small as it can be: options removed, then values made simpler, as long as both sides still differ
//! in the same respect.

use anyhow::Result;
use serde_json::{Value, json};

use super::{ask, flink_process::FlinkProcess, question::Question, versions::Release};

/// Steps after which a mismatch is small enough.
const STEPS: usize = 200;

/// A question that the two sides answer differently.
#[derive(Clone, Debug)]
pub struct Mismatch {
    /// The question.
    pub question: Question,
    /// What differs, Flink's value first.
    pub differences: Vec<String>,
}

impl Mismatch {
    /// In which respect the sides differ: the name of the first field, or of the error.
    #[must_use]
    pub fn respect(&self) -> &str {
        self.differences
            .first()
            .and_then(|difference| difference.split(':').next())
            .unwrap_or_default()
    }
}

/// The smallest question found that shows the same mismatch.
///
/// # Errors
/// When Flink can't be asked any more.
pub fn shrink(flink: &mut FlinkProcess, release: Release, mismatch: Mismatch) -> Result<Mismatch> {
    let mut smallest = mismatch;
    for _ in 0..STEPS {
        let candidates = smaller(&smallest.question);
        let answers = flink.ask(&candidates)?;
        let found = candidates
            .into_iter()
            .zip(answers)
            .find_map(|(question, answer)| {
                // A smaller question that nobody can compare shows nothing.
                let differences = ask::differences(release, &question, &answer).ok()?;
                let candidate = Mismatch {
                    question,
                    differences,
                };
                (!candidate.differences.is_empty() && candidate.respect() == smallest.respect())
                    .then_some(candidate)
            });
        match found {
            Some(found) => smallest = found,
            None => break,
        }
    }
    Ok(smallest)
}

/// Questions that are one step smaller: first those without an option, then those with a simpler value.
fn smaller(question: &Question) -> Vec<Question> {
    let mut candidates = Vec::new();
    for key in question.environment.keys() {
        let mut without = question.clone();
        without.environment.remove(key);
        candidates.push(without);
    }
    for key in question.options.keys() {
        let mut without = question.clone();
        without.options.remove(key);
        candidates.push(without);
    }
    for (key, value) in &question.environment {
        for simpler in simpler(value) {
            let mut changed = question.clone();
            changed.environment.insert(key.clone(), simpler);
            candidates.push(changed);
        }
    }
    for (name, value) in &question.figures {
        let simpler: Vec<Value> = match (value.as_str(), value.as_u64()) {
            (Some(text), _) => simpler(text).into_iter().map(Value::from).collect(),
            (None, Some(number)) if number > 0 => {
                vec![json!(0), json!(1), json!(number / 2), json!(number - 1)]
            }
            _ => Vec::new(),
        };
        for simpler in simpler.into_iter().filter(|simpler| simpler != value) {
            let mut changed = question.clone();
            changed.figure(name, simpler);
            candidates.push(changed);
        }
    }
    for (key, value) in &question.options {
        for simpler in simpler(value) {
            let mut changed = question.clone();
            changed.set(key, simpler);
            candidates.push(changed);
        }
    }
    candidates
}

/// Texts that are simpler than this one, simplest first. Each is shorter, or as short and smaller, so that an end is
/// reached.
fn simpler(text: &str) -> Vec<String> {
    let mut candidates: Vec<String> = ["", "0", "1", "1g", "1m", "64m", "0.1", "0.5", "none"]
        .map(str::to_owned)
        .into();
    let boundaries: Vec<usize> = text
        .char_indices()
        .map(|(index, _)| index)
        .skip(1)
        .collect();
    if let (Some(first), Some(last)) = (boundaries.first(), boundaries.last()) {
        let middle = boundaries[boundaries.len() / 2];
        for part in [
            &text[..middle],
            &text[middle..],
            &text[*first..],
            &text[..*last],
        ] {
            candidates.push(part.to_owned());
        }
    }
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    if let Ok(number) = digits.parse::<u64>() {
        let unit = &text[digits.len()..];
        for smaller in [
            number / 2,
            number - number % 1024,
            number & !((1 << 20) - 1),
            number.saturating_sub(1),
        ] {
            candidates.push(format!("{smaller}{unit}"));
        }
        candidates.push(digits);
    }
    candidates.retain(|candidate| (candidate.len(), candidate.as_str()) < (text.len(), text));
    candidates.dedup();
    candidates
}

#[cfg(test)]
mod tests {
    use super::simpler;

    /// Shorter, or as long and smaller: nothing descends in this order for ever.
    #[test]
    fn every_candidate_is_smaller_than_its_text() {
        for text in [
            "1536m",
            "123456789b",
            "0.123",
            "\u{a0}1\u{2003}g",
            "gpu;fpga",
        ] {
            let mut current = text.to_owned();
            for _ in 0..1_000 {
                let candidates = simpler(&current);
                for next in &candidates {
                    assert!(
                        (next.len(), next) < (current.len(), &current),
                        "{current} {next}"
                    );
                }
                let Some(last) = candidates.into_iter().next_back() else {
                    break;
                };
                current = last;
            }
        }
    }

    #[test]
    fn nothing_is_simpler_than_nothing() {
        assert!(simpler("").is_empty());
    }
}
