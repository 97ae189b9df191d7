//! `-D key=value` as Flink's programs take it, and the words of a shell command that holds it.
//!
//! Mirrors `ConfigurationParserUtils.loadCommonConfiguration` with Commons CLI: `-Dkey=value` and `-D key=value`,
//! split at the first `=`; without `=` the value is `true`; of one key the last argument counts.

/// One `-D` argument.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Argument {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
    /// Which of the arguments holds the key, from 0.
    pub index: usize,
}

/// The `-D` arguments among all arguments, the last of each key only.
#[must_use]
pub fn read(arguments: &[&str]) -> Vec<Argument> {
    let mut found: Vec<Argument> = Vec::new();
    let mut rest = arguments.iter().enumerate();
    while let Some((index, argument)) = rest.next() {
        let Some(after) = argument.strip_prefix("-D") else {
            continue;
        };
        let (index, text) = if after.is_empty() {
            match rest.next() {
                Some((index, next)) => (index, *next),
                None => break,
            }
        } else {
            (index, after)
        };
        let (key, value) = text.split_once('=').unwrap_or((text, "true"));
        found.retain(|earlier| earlier.key != key);
        found.push(Argument {
            key: key.to_owned(),
            value: value.to_owned(),
            index,
        });
    }
    found
}

/// The words of a shell command, with quotes and backslashes resolved as a POSIX shell does; variables stay as they
/// are written. Operators such as `&&` and `;` are words of their own or parts of one.
#[must_use]
pub fn shell_words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = command.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('"'), '\\') => {
                let Some(next) = characters.next() else { break };
                let word = word.get_or_insert_default();
                if !matches!(next, '"' | '\\' | '$' | '`') {
                    word.push('\\');
                }
                word.push(next);
            }
            (Some(_), _) => word.get_or_insert_default().push(character),
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '\\') => match characters.next() {
                // A line that goes on.
                Some('\n') | None => {}
                Some(next) => word.get_or_insert_default().push(next),
            },
            (None, ' ' | '\t' | '\n' | '\r') => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pairs(arguments: &[&str]) -> Vec<(usize, String, String)> {
        read(arguments)
            .into_iter()
            .map(|argument| (argument.index, argument.key, argument.value))
            .collect()
    }

    #[test]
    fn both_spellings_and_the_last_of_a_key() {
        let given = [
            "taskmanager",
            "-Da=1",
            "-D",
            "b=x=y",
            "-Dc",
            "--configDir",
            "conf",
            "-Da=2",
            "-De=",
            "-D",
        ];
        assert_eq!(
            pairs(&given),
            [
                (3, "b".to_owned(), "x=y".to_owned()),
                (4, "c".to_owned(), "true".to_owned()),
                (7, "a".to_owned(), "2".to_owned()),
                (8, "e".to_owned(), String::new()),
            ]
        );
    }

    #[test]
    fn words_are_those_of_a_shell() {
        assert_eq!(
            shell_words(
                "bin/taskmanager.sh  start-foreground -Da='b c' \\\n -D \"d=\\\"$E\\\"\" f\\ g ''"
            ),
            [
                "bin/taskmanager.sh",
                "start-foreground",
                "-Da=b c",
                "-D",
                "d=\"$E\"",
                "f g",
                ""
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(command in any::<String>()) {
            let words = shell_words(&command);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let found = read(&words);
            prop_assert!(found.iter().all(|argument| argument.index < words.len()));
        }

        #[test]
        fn a_quoted_word_is_one_word(word in "[^']*") {
            prop_assert_eq!(shell_words(&format!("a '{word}' b")), ["a", word.as_str(), "b"]);
        }
    }
}
