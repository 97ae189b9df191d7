//! Numbers in a row with the largest of each group, of each group of groups and so on, so that the first number that is
//! large enough is found without looking at the others.

/// How many numbers share one number of the level above: a cache line of them.
const GROUP: usize = 16;

/// A row of numbers, 0 where none was set.
#[derive(Debug, Default)]
pub(super) struct Longest {
    /// The numbers first; each later level has the largest of each group of the one before, up to a single group.
    /// All levels are whole groups.
    levels: Vec<Vec<u32>>,
}

impl Longest {
    /// Makes room for `length` numbers.
    pub(super) fn grow(&mut self, length: usize) {
        let mut groups = length.div_ceil(GROUP);
        for level in 0.. {
            if level == self.levels.len() {
                let mut first_group = vec![0; GROUP];
                first_group[0] = self.largest();
                self.levels.push(first_group);
            }
            let level = &mut self.levels[level];
            if level.len() < groups * GROUP {
                level.resize(groups * GROUP, 0);
            }
            if groups <= 1 {
                break;
            }
            groups = groups.div_ceil(GROUP);
        }
    }

    /// The number at an index; 0 beyond the end.
    pub(super) fn at(&self, index: usize) -> u32 {
        let numbers = self.levels.first().and_then(|numbers| numbers.get(index));
        numbers.copied().unwrap_or(0)
    }

    /// Sets the number at an index below the length.
    pub(super) fn set(&mut self, mut index: usize, number: u32) {
        let mut largest = number;
        for level in &mut self.levels {
            if level[index] == largest {
                break;
            }
            level[index] = largest;
            index /= GROUP;
            largest = largest_of(&level[index * GROUP..(index + 1) * GROUP]);
        }
    }

    /// The largest number, 0 when there is none.
    pub(super) fn largest(&self) -> u32 {
        self.levels.last().map_or(0, |top| largest_of(top))
    }

    /// The first index whose number is at least this one, which is not 0.
    pub(super) fn first_at_least(&self, number: u32) -> Option<usize> {
        let mut group = 0;
        for level in self.levels.iter().rev() {
            let members = &level[group * GROUP..(group + 1) * GROUP];
            group = group * GROUP + members.iter().position(|member| *member >= number)?;
        }
        (!self.levels.is_empty()).then_some(group)
    }
}

fn largest_of(group: &[u32]) -> u32 {
    group.iter().copied().fold(0, u32::max)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Longest;

    #[test]
    fn nothing_is_long_enough_in_an_empty_row() {
        let mut row = Longest::default();
        assert_eq!(
            (row.first_at_least(1), row.largest(), row.at(7)),
            (None, 0, 0)
        );
        row.grow(300);
        assert_eq!(
            (row.first_at_least(1), row.largest(), row.at(7)),
            (None, 0, 0)
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn it_answers_as_a_plain_row_does(
            steps in prop::collection::vec((0_usize..5000, 0_u32..50, 1_u32..50), 1..200),
        ) {
            let (mut row, mut model) = (Longest::default(), Vec::new());
            for (index, number, wanted) in steps {
                if index >= model.len() {
                    model.resize(index + 1, 0);
                    row.grow(index + 1);
                }
                model[index] = number;
                row.set(index, number);
                prop_assert_eq!(
                    row.first_at_least(wanted),
                    model.iter().position(|number| *number >= wanted)
                );
                prop_assert_eq!(row.largest(), model.iter().copied().max().unwrap_or(0));
                prop_assert_eq!(row.at(index), number);
            }
        }
    }
}
