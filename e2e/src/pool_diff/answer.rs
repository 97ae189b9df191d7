//! What differs between two answers to the same step.
//!
//! An answer is one line of parts: what came of the step, and then the figures of each thing that there is, such as
//! `pool 3 size=7 requested=2`.

use std::collections::BTreeMap;

/// One figure that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// In which respect: the kind of thing and the name of its figure, without its label.
    pub respect: String,
    /// In words, Flink's value first.
    pub text: String,
}

/// Every figure that differs; nothing where the answers agree.
#[must_use]
pub fn differences(flink: &str, ours: &str) -> Vec<Difference> {
    if flink == ours {
        return Vec::new();
    }
    let (flink, ours) = (figures(flink), figures(ours));
    let keys = flink
        .keys()
        .chain(ours.keys().filter(|key| !flink.contains_key(*key)));
    keys.filter(|key| flink.get(*key) != ours.get(*key))
        .map(|key| {
            let value = |side: &BTreeMap<Key<'_>, &str>| {
                side.get(key).copied().unwrap_or("nothing").to_owned()
            };
            let (thing, figure) = *key;
            let kind = thing.split(' ').next().unwrap_or_default();
            Difference {
                respect: format!("{kind} {figure}"),
                text: format!(
                    "{thing} {figure}: Flink {}, ours {}",
                    value(&flink),
                    value(&ours)
                ),
            }
        })
        .collect()
}

/// Such as `pool 3` and `size`.
type Key<'a> = (&'a str, &'a str);

fn figures(answer: &str) -> BTreeMap<Key<'_>, &str> {
    let mut parts = answer.split("; ");
    let outcome = parts.next().unwrap_or_default();
    let mut figures = BTreeMap::from([(("", "outcome"), outcome)]);
    for part in parts {
        // A thing is a word or two: the rest are its figures.
        let thing_length = part
            .find('=')
            .and_then(|equals| part.get(..equals)?.rfind(' '))
            .unwrap_or(part.len());
        let (thing, rest) = part.split_at(thing_length);
        for word in rest.split_ascii_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            figures.insert((thing, name), value);
        }
        figures.insert((thing, "existence"), "yes");
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn what_differs_is_named_with_both_values() {
        let flink = "given; network total=3 used=1; pool 4 size=2";
        assert!(differences(flink, flink).is_empty());
        let texts = |ours: &str| {
            differences(flink, ours)
                .into_iter()
                .map(|difference| format!("{} | {}", difference.respect, difference.text))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            texts("none; network total=3 used=1; pool 4 size=7"),
            [
                " outcome |  outcome: Flink given, ours none",
                "pool size | pool 4 size: Flink 2, ours 7"
            ]
        );
        assert_eq!(
            texts("given; network total=3 used=1"),
            [
                "pool existence | pool 4 existence: Flink yes, ours nothing",
                "pool size | pool 4 size: Flink 2, ours nothing"
            ]
        );
    }
}
