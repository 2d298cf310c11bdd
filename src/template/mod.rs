//! Templates: JSON documents with `<%= path %>` inside string leaves.
//!
//! Rendering is structural: a template is parsed first and filled afterwards, so a value can never break out of its
//! string. `<%= %>` because `{{ }}` belongs to n8n and Liquid, and `${}` to JavaScript.

pub mod expression;
pub mod render;
pub mod source;
mod twice;

pub use expression::{Path, Piece};
pub use render::{Fault, Guard, MOST, MOST_TOGETHER, Scope, cost, render};
pub use source::Source;
