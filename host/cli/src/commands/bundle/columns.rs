//! Rows of text with their columns aligned, for people.
//!
//! Cells are plain: whoever makes them has escaped what is foreign, and paints only whole rows.

use crate::printer::{Paint, Printer};

/// What stands between two columns.
const GAP: &str = "   ";

/// Prints rows below a head, as data.
pub(crate) fn table<const N: usize>(printer: Printer, head: [&str; N], rows: Vec<[String; N]>) {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows)
        .collect();
    for (at, line) in columns(&rows).into_iter().enumerate() {
        let is_head = at == 0;
        let painted = is_head.then(|| printer.on_stdout(Paint::Bold, &line));
        printer.line(&painted.unwrap_or(line));
    }
}

/// One line for each row; a column in which nothing stands is left out.
pub(crate) fn columns<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |row: &[String; N]| {
        let filled = row.iter().zip(widths).filter(|(_, width)| *width > 0);
        let cells: Vec<String> = filled
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        cells.join(GAP).trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::columns;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "größe", "x"], ["long", "b", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["a      größe   x", "long   b"]);
    }

    #[test]
    fn a_column_without_text_takes_no_room() {
        let rows = [["a", "", "x"], ["b", "", "y"]].map(|row| row.map(str::to_owned));
        assert_eq!(columns(&rows), ["a   x", "b   y"]);
    }
}
