//! Syntax tree → program: names become slots, operators typed nodes, and what cannot work becomes a fault.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};
use memchr::memmem;

use super::compare::{Comparison, Literal, Set};
use super::function::{FUNCTIONS, Function, LIST_MACROS, Meaning};
use super::name::resolve;
use super::node::{Node, Type};
use super::number::Operation;
use super::syntax::Syntax;
use super::text::{Affix, Search};
use crate::model::field::{Fields, Slot, Step};
use crate::raw::fault::{Faults, did_you_mean};
use crate::raw::place::Place;

/// Compiles the parts of one expression. Every method returns `None` once it has added a fault.
pub(super) struct Compiler<'c, 's> {
    pub(super) syntax: &'c Syntax<'s>,
    fields: &'c mut Fields,
    faults: &'c mut Faults,
}

impl<'c, 's> Compiler<'c, 's> {
    /// A compiler of `syntax` that takes its slots from `fields`.
    pub(super) fn new(syntax: &'c Syntax<'s>, fields: &'c mut Fields, faults: &'c mut Faults) -> Self {
        Compiler { syntax, fields, faults }
    }

    /// Compiles `expr` where anything may stand.
    pub(super) fn node(&mut self, expr: &IdedExpr) -> Option<Node> {
        let place = |of| self.syntax.place(of);
        match &expr.expr {
            Expr::Literal(literal) => self.literal(expr, literal).map(Node::Literal),
            Expr::Ident(_) | Expr::Select(_) => self.slot(expr).map(Node::Field),
            Expr::Call(call) => self.call(expr, call),
            Expr::List(_) => self.fault(place(expr), "a list can only stand right of `in`"),
            Expr::Map(_) => self.fault(place(expr), "there are no maps in expressions"),
            Expr::Struct(_) => self.fault(place(expr), "there are no messages in expressions"),
            Expr::Comprehension(_) | Expr::Unspecified => self.fault(place(expr), "this cannot be read"),
        }
    }

    /// Compiles `expr` where true or false is wanted.
    pub(super) fn condition(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.wanted(expr, "true or false", &[Type::Bool])
    }

    /// Compiles `expr` where only some types can work.
    fn wanted(&mut self, expr: &IdedExpr, wanted: &str, types: &[Type]) -> Option<Node> {
        let node = self.node(expr)?;
        let found = match node.result() {
            known if known == Type::Any || types.contains(&known) => return Some(node),
            Type::Null => "null",
            Type::Bool => "true or false",
            Type::Number => "a number",
            _ => "a text",
        };
        self.fault(self.syntax.place(expr), format!("this is {found}, {wanted} was wanted"))
    }

    fn call(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Node> {
        let name = call.func_name.as_str();
        if let Some(operation) = operation(name) {
            return self.arithmetic(operation, &call.args);
        }
        if let Some(comparison) = comparison(name) {
            return self.comparison(comparison, &call.args);
        }
        match (name, call.args.as_slice()) {
            (operators::LOGICAL_AND, _) => self.terms(expr).map(Node::And),
            (operators::LOGICAL_OR, _) => self.terms(expr).map(Node::Or),
            (operators::LOGICAL_NOT, [operand]) => Some(Node::Not(Box::new(self.condition(operand)?))),
            (operators::NEGATE, [operand]) => Some(Node::Negate(Box::new(self.number(operand)?))),
            (operators::CONDITIONAL, [condition, first, second]) => {
                let (condition, first, second) =
                    (self.condition(condition), self.node(first), self.node(second));
                Some(Node::If(Box::new([condition?, first?, second?])))
            }
            (operators::INDEX, _) => self.slot(expr).map(Node::Field),
            (operators::IN, [operand, list]) => self.membership(operand, list),
            (operators::OPT_INDEX | operators::OPT_SELECT, _) => {
                let help = "a field that is missing is asked for with `has(field)`";
                self.fault_with_help(self.syntax.name_place(expr), "`?` cannot stand in a field's path", help)
            }
            _ => self.function(expr, call),
        }
    }

    /// The operands of a chain of one of `&&` and `||`, which the parser gives as a tree.
    fn terms(&mut self, expr: &IdedExpr) -> Option<Box<[Node]>> {
        let mut pending = vec![expr];
        let mut terms = Vec::new();
        let Expr::Call(CallExpr { func_name: chained, .. }) = &expr.expr else {
            return None;
        };
        while let Some(next) = pending.pop() {
            match &next.expr {
                Expr::Call(call) if call.func_name == *chained => pending.extend(call.args.iter().rev()),
                _ => terms.push(self.condition(next)),
            }
        }
        terms.into_iter().collect()
    }

    /// Compiles `expr` where a number is wanted.
    pub(super) fn number(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.wanted(expr, "a number", &[Type::Number, Type::Text])
    }

    fn text(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.wanted(expr, "a text", &[Type::Text])
    }

    fn arithmetic(&mut self, operation: Operation, sides: &[IdedExpr]) -> Option<Node> {
        let [left, right] = sides else { return None };
        let (left, right) = (self.number(left), self.number(right));
        Some(Node::Arithmetic(operation, Box::new([left?, right?])))
    }

    fn comparison(&mut self, comparison: Comparison, sides: &[IdedExpr]) -> Option<Node> {
        let [left_side, right_side] = sides else {
            return None;
        };
        let (left, right) = (self.node(left_side), self.node(right_side));
        let (left, right) = (left?, right?);
        let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
        match (left, right) {
            (operand, Node::Literal(Literal::Null)) | (Node::Literal(Literal::Null), operand) if equality => {
                Some(Node::IsNull { operand: Box::new(operand), wanted: comparison == Comparison::Equal })
            }
            (left, right) => {
                self.check_types(&left, &right, left_side, right_side)?;
                Some(compare(comparison, left, right))
            }
        }
    }

    fn check_types(
        &mut self,
        left: &Node,
        right: &Node,
        left_side: &IdedExpr,
        right_side: &IdedExpr,
    ) -> Option<()> {
        let place = self.syntax.place(right_side);
        match (left.result(), right.result()) {
            (Type::Null, _) => self.fault(self.syntax.place(left_side), "null has no order"),
            (_, Type::Null) => self.fault(place, "null has no order"),
            (Type::Bool, Type::Number) => self.fault(place, "a number cannot be compared with true or false"),
            (Type::Number, Type::Bool) => self.fault(place, "true or false cannot be compared with a number"),
            _ => Some(()),
        }
    }

    fn membership(&mut self, operand: &IdedExpr, list: &IdedExpr) -> Option<Node> {
        let operand = self.node(operand);
        let Expr::List(elements) = &list.expr else {
            let help = "write the values out: `field in [\"a\", \"b\"]`";
            return self.fault_with_help(self.syntax.place(list), "a list was wanted right of `in`", help);
        };
        let literals: Vec<_> = elements.elements.iter().map(|element| self.element(element)).collect();
        let literals: Option<Vec<_>> = literals.into_iter().collect();
        Some(Node::In(Box::new(operand?), Set::new(literals?)))
    }

    fn element(&mut self, element: &IdedExpr) -> Option<Literal> {
        match &element.expr {
            Expr::Literal(literal) => self.literal(element, literal),
            _ => {
                let problem = "only values written out can stand in a list";
                self.fault_with_help(
                    self.syntax.place(element),
                    problem,
                    "compare with `==` and join with `||`",
                )
            }
        }
    }

    fn literal(&mut self, expr: &IdedExpr, literal: &LiteralValue) -> Option<Literal> {
        Some(match literal {
            LiteralValue::Null => Literal::Null,
            LiteralValue::Boolean(truth) => Literal::Bool(*truth.inner()),
            LiteralValue::Double(number) => Literal::Float(*number.inner()),
            LiteralValue::Int(whole) => Literal::Integer(*whole.inner()),
            LiteralValue::UInt(whole) => match i64::try_from(*whole.inner()) {
                Ok(whole) => Literal::Integer(whole),
                Err(_) => {
                    return self.fault(
                        self.syntax.place(expr),
                        format!("`{}u` does not fit 64 bits with a sign", whole.inner()),
                    );
                }
            },
            LiteralValue::String(text) => Literal::Text(text.inner().as_bytes().into()),
            LiteralValue::Bytes(bytes) => Literal::Text(bytes.inner().into()),
        })
    }

    fn function(&mut self, expr: &IdedExpr, call: &CallExpr) -> Option<Node> {
        let name = call.func_name.as_str();
        let place = self.syntax.name_place(expr);
        let Some(function) = Function::find(name) else {
            return self.unknown_function(name, place);
        };
        let usage = format!("write `{}`", function.usage);
        if !if call.target.is_some() { function.member } else { function.global } {
            let problem = match function.member {
                true => format!("`{name}` follows the text that it looks at"),
                false => format!("`{name}` takes its value in brackets"),
            };
            return self.fault_with_help(place, problem, usage);
        }
        let operands: Vec<&IdedExpr> = call.target.as_deref().into_iter().chain(&call.args).collect();
        let around = usize::from(call.target.is_some());
        if operands.len() != function.operands {
            let wanted = match function.operands - around {
                0 => "no argument".to_owned(),
                1 => "1 argument".to_owned(),
                many => format!("{many} arguments"),
            };
            let problem = format!("`{name}` takes {wanted} in brackets, found {}", call.args.len());
            return self.fault_with_help(place, problem, usage);
        }
        self.apply(function.meaning, &operands)
    }

    fn unknown_function(&mut self, name: &str, place: Place) -> Option<Node> {
        if LIST_MACROS.contains(&name) {
            return self.fault(place, format!("`{name}` works on lists, and no field holds one"));
        }
        let names = || FUNCTIONS.iter().map(|function| function.name);
        let help = did_you_mean(name, names()).unwrap_or_else(|| {
            format!(
                "the functions are {}",
                names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
            )
        });
        self.fault_with_help(place, format!("no function is called `{name}`"), help)
    }

    fn apply(&mut self, meaning: Meaning, operands: &[&IdedExpr]) -> Option<Node> {
        match (meaning, operands) {
            (Meaning::Has, [field]) => self.slot(field).map(Node::Has),
            (Meaning::Matches, [text, pattern]) => {
                let (text, regex) = (self.text(text), self.regex(pattern));
                Some(Node::Search(Box::new(text?), Search::Regex(regex?)))
            }
            (Meaning::Affix(affix), [text, part]) => {
                let (text, part) = (self.text(text), self.text(part));
                Some(match (affix, part?) {
                    (Affix::Contains, Node::Literal(Literal::Text(part))) => {
                        let finder = memmem::Finder::new(&part).into_owned();
                        Node::Search(Box::new(text?), Search::Literal(Box::new(finder)))
                    }
                    (affix, part) => Node::Affix(affix, Box::new([text?, part])),
                })
            }
            (Meaning::Convert(conversion), [operand]) => {
                let operand = self.wanted(operand, conversion.wanted(), conversion.operands())?;
                Some(Node::Convert(conversion, Box::new(operand)))
            }
            _ => None,
        }
    }

    fn regex(&mut self, pattern: &IdedExpr) -> Option<regex::bytes::Regex> {
        let place = self.syntax.place(pattern);
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            return self.fault_with_help(
                place,
                "the regex must be written out",
                "write `text.matches(r\"^a+$\")`",
            );
        };
        match regex::bytes::Regex::new(text.inner()) {
            Ok(regex) => Some(regex),
            Err(error) => {
                let error = error.to_string();
                // The message draws the pattern over several lines; the last one says what is wrong.
                let reason = error.lines().last().unwrap_or_default();
                let reason = reason.strip_prefix("error: ").unwrap_or(reason).trim_end_matches('.');
                self.fault(place, format!("the regex is not valid: {reason}"))
            }
        }
    }

    /// Compiles `expr` where only a field can stand.
    pub(super) fn field(&mut self, expr: &IdedExpr) -> Option<Node> {
        self.slot(expr).map(Node::Field)
    }

    /// The slot of the field that `expr` names.
    fn slot(&mut self, expr: &IdedExpr) -> Option<Slot> {
        let steps = self.steps(expr)?;
        match resolve(steps, self.fields) {
            Ok(field) => Some(self.fields.slot(field)),
            Err(unknown) => {
                let place = self.syntax.place(expr);
                match unknown.help {
                    Some(help) => self.fault_with_help(place, unknown.problem, help),
                    None => self.fault(place, unknown.problem),
                }
            }
        }
    }

    fn steps(&mut self, expr: &IdedExpr) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        let mut next = expr;
        loop {
            match &next.expr {
                Expr::Ident(name) if name.starts_with('.') => {
                    return self.fault(self.syntax.place(next), "a field's name does not begin with a dot");
                }
                Expr::Ident(name) => {
                    steps.push(Step::Key(name.clone()));
                    steps.reverse();
                    return Some(steps);
                }
                Expr::Select(select) => {
                    steps.push(Step::Key(select.field.clone()));
                    next = &select.operand;
                }
                Expr::Call(CallExpr { func_name, args, .. }) if func_name == operators::INDEX => {
                    let [operand, index] = args.as_slice() else {
                        return None;
                    };
                    steps.push(self.index(index)?);
                    next = operand;
                }
                _ => return self.fault(self.syntax.place(next), "the name of a field was wanted here"),
            }
        }
    }

    fn index(&mut self, index: &IdedExpr) -> Option<Step> {
        let position = match &index.expr {
            Expr::Literal(LiteralValue::String(key)) => return Some(Step::Key(key.inner().to_owned())),
            Expr::Literal(LiteralValue::Int(whole)) => usize::try_from(*whole.inner()).ok(),
            Expr::Literal(LiteralValue::UInt(whole)) => usize::try_from(*whole.inner()).ok(),
            _ => None,
        };
        match position {
            Some(position) => Some(Step::Index(position)),
            None => self.fault(
                self.syntax.place(index),
                "an index must be a whole number from 0 or a key in quotes, written out",
            ),
        }
    }

    fn fault<T>(&mut self, place: Place, problem: impl Into<String>) -> Option<T> {
        self.faults.add(place, problem);
        None
    }

    fn fault_with_help<T>(
        &mut self,
        place: Place,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.faults.add_with_help(place, problem, help);
        None
    }
}

/// A comparison, in the specialised form where it is one of a field with a literal.
fn compare(comparison: Comparison, left: Node, right: Node) -> Node {
    match (left, right) {
        (Node::Field(slot), Node::Literal(literal)) => Node::CompareField { slot, comparison, literal },
        (Node::Literal(literal), Node::Field(slot)) => {
            Node::CompareField { slot, comparison: comparison.flipped(), literal }
        }
        (left, right) => Node::Compare(comparison, Box::new([left, right])),
    }
}

fn operation(name: &str) -> Option<Operation> {
    Some(match name {
        operators::ADD => Operation::Add,
        operators::SUBSTRACT => Operation::Subtract,
        operators::MULTIPLY => Operation::Multiply,
        operators::DIVIDE => Operation::Divide,
        operators::MODULO => Operation::Remainder,
        _ => return None,
    })
}

fn comparison(name: &str) -> Option<Comparison> {
    Some(match name {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::Unequal,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
