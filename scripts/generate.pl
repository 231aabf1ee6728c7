#!/usr/bin/env perl
# Write what is made from the definitions of the operators in src/ops, and committed:
#
#     include/ebb/ops.h       options, prototypes, call-site macros, documentation
#     src/ops/signatures.h    what EBB_SIGNATURE(name, ...) stands for, and the attribute structs
#     src/ops/generated.c     the functions, the attribute tables, the table of operators
#     src/expr/texts.c     what is written about them: documentation, formulas, samples
#     docs/operators.md       the operators by family, for reading
#
# With --check nothing is written: exit status 1, and a diff, when a file is not as it would be written.
# $CC, or cc, is the preprocessor that the definitions go through.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname basename);
use File::Temp ();
use lib dirname(abs_path(__FILE__));
use definitions;

# ---- writing: include/ebb/ops.h ----

sub comment { # its paragraphs, filled up to 120 columns
    my @lines;
    for my $paragraph (@_) {
        my ($indent, @words) = ($paragraph =~ /^( *)/ ? " * $1" : '', split ' ', $paragraph);
        push @lines, $indent . shift @words if @words;
        for my $word (@words) {
            if (length("$lines[-1] $word") > 117) { push @lines, "$indent$word" } else { $lines[-1] .= " $word" }
        }
    }
    return '/*' . substr(join("\n", @lines), 2) . " */\n";
}

sub dtypes {
    my ($op) = @_;
    my ($how, $which) = map { ($op->{$_} // '') =~ /^EBB_(?:PROMOTE_)?(\w+)/ ? $1 : '' } qw(promote dtypes);
    my %promotion = (
        COMMON => @{$op->{inputs}} > 1 ? 'Inputs are promoted to a common dtype.' : '',
        NUMERIC => 'Bool becomes int64.', FLOAT => 'Integers and bool become the default dtype.', FIRST => 'The result has the dtype of the first input.',
        COMPARE => (@{$op->{inputs}} > 1 ? 'Inputs are promoted to a common dtype; the' : 'The') . ' result is bool.',
        TRUTH => 'The result is bool.',
    );
    my %accepted = (FLOATING => $how eq 'FLOAT' ? '' : 'Floating point only.', NUMERIC => $how eq 'NUMERIC' ? '' : 'Not for bool.');
    return grep { length } $promotion{$how} // '', $accepted{$which} // '';
}

sub autocast {
    my ($op) = @_;
    my %policy = (LOW => 'in the lower precision', F32 => 'in float32', WIDEST => 'in the widest dtype of its inputs');
    return map { "under autocast $_" } grep { defined } $policy{($op->{autocast} // '') =~ s/^EBB_AUTOCAST_//r};
}

sub documentation {
    my ($op) = @_;
    my @formula = strings($op->{formula} // '');
    my @named = map { [$_->{name}, shift(@formula) // ''] } @{$op->{inputs}};
    my @gradients = map { "$_->[0]: $_->[1]" } grep { length $_->[1] } @named;
    my $node = length $op->{node} ? " ($op->{node})" : '';
    my $gradient = @gradients ? "Gradient$node of " . join('; of ', @gradients) . '.' : '';
    $gradient = "Formula: $op->{parts}; its gradient is that of these parts." if length $op->{parts};
    $gradient = 'No gradient.' if $op->{no_derivative} && !$op->{vjp};
    my @facts = dtypes($op);
    push @facts, 'Shares the storage of its input.' if $op->{view};
    push @facts, map { ucfirst "$_." } autocast($op);
    push @facts, "In place: $op->{forms}[1]." if $op->{inplace};
    my ($inputs, $outputs) = split /\s*->\s*/, $op->{signature};
    return comment($op->{doc}, "    $op->{name}($inputs) -> $outputs", $gradient, join ' ', @facts, $op->{torch});
}

sub options_struct {
    my ($op) = @_;
    my @members = map { "    $_->{member}; /* $_->{note} */\n" } @{$op->{options}};
    my $name = "ebb_$op->{name}_options";
    return join '', "typedef struct $name {\n", @members, "    int ebb__at;\n} $name;\n\n";
}

sub parameters {
    my ($op, $default) = @_;
    my @all = map { $_->{member} } @{$op->{positional}};
    push @all, "ebb_$op->{name}_options options$default" if @{$op->{options}};
    return @all ? join(', ', @all) : 'void';
}

sub result_type { my ($op) = @_; return $op->{gives_list} ? 'ebb_list ' : 'ebb_tensor *' }

sub list { my ($field, $op) = @_; return join ', ', map { $_->{$field} } @{$op->{positional}} }

sub cxx_macro { # numbers among the arguments need an overload in front of the options' default
    my ($op, $name) = @_;
    my @numbers = grep { $_->{kind} eq 'Number' || $_->{kind} eq 'number' } @{$op->{positional}};
    return "#define $name(...) ((void)EBB_HERE, $name(__VA_ARGS__))\n" unless @numbers;
    my ($parameters, $arguments) = (parameters($op, ' = {}'), list('value', $op));
    for my $number (@numbers) {
        my ($n, $convert) = ($number->{name}, $number->{kind} eq 'Number' ? 'ebb__num' : 'ebb__set');
        $parameters =~ s/(ebb_tensor \*|ebb_setting )\Q$n\E\b/T_$n $n/;
        $arguments =~ s/\b$n\b/$convert($n)/;
    }
    my $classes = join ', ', map { "class T_$_->{name}" } @numbers;
    return "extern \"C++\" {\ntemplate <$classes> inline " . result_type($op) . "ebb__cxx_$name($parameters) {\n"
        . "    return $name($arguments, options);\n}\n}\n#define $name(...) ((void)EBB_HERE, ebb__cxx_$name(__VA_ARGS__))\n";
}

sub macro {
    my ($op, $name) = @_;
    my ($names, $noted) = (list('name', $op), list('noted', $op));
    my ($options, $helper) = ("ebb_$op->{name}_options", 'ebb__' . substr($name, 4) . '_');
    return "#define $name($names) $name($noted)\n" if !@{$op->{options}} && @{$op->{inputs}};
    return "#define $name($names) ((void)EBB_HERE, $name($noted))\n" if !@{$op->{options}};
    my $c = length $names
        ? "#define $name(...) $helper(__VA_ARGS__, .ebb__at = EBB_HERE)\n"
        . "#define $helper($names, ...) $name($noted, ($options){__VA_ARGS__})\n"
        : "#define $name(...) $name(($options){.ebb__at = EBB_HERE, __VA_ARGS__})\n";
    return "#ifdef __cplusplus\n" . cxx_macro($op, $name) . "#else\n$c#endif\n";
}

sub public_header {
    my ($files, $ops) = @_;
    my $text = <<'END';
/* The operators. Generated by scripts/generate.pl from the definitions in src/ops.
 *
 * Each returns a new tensor owned by the innermost scope; or NULL, with the thread's error set, when it cannot be
 * computed. Inputs are borrowed; NULL for an input gives NULL. Each function comes with a macro of its name that notes
 * the caller's line, takes numbers where the signature says Number, and options by name: ebb_sum(x, .keepdim = true).
 * In gradients, g is the upstream gradient and y the result; what was broadcast is summed back, dtypes are converted
 * back. Forms with a trailing underscore write the result into their first argument and return it. The first output is
 * returned, others are stored where the options ret_NAME say; "Tensor indices[return_indices]" is given by calls by name
 * only with that argument, and "Tensor LU[]", which is kept for the gradient, never. */
/* clang-format off */
#ifndef EBB_OPS_H
#define EBB_OPS_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif
END
    for my $file (@$files) {
        my @mine = grep { $_->{file} eq $file } @$ops or next;
        my $title = '---- ' . basename($file) . ' ';
        $text .= "\n" . comment($title . '-' x (114 - length $title), subject($file) . '.');
        for my $op (@mine) {
            $text .= "\n" . (@{$op->{options}} ? options_struct($op) : '') . documentation($op);
            my $type = result_type($op);
            $text .= "EBB_API $type$_(" . parameters($op, ' EBB_DEFAULT') . ");\n" for @{$op->{forms}};
            $text .= macro($op, $_) for @{$op->{forms}};
        }
    }
    return "$text\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

# ---- writing: src/ops ----

sub row { return '{' . join(', ', map { defined ? quoted($_) : 'NULL' } @_) . '}' }

sub quoted { my ($text) = @_; return '"' . $text =~ s/(["\\])/\\$1/gr . '"' }

sub inputs_table { # operators with equal inputs share one
    my ($op) = @_;
    return join '_', 'ebb__inputs', map { $_->{name} . ($_->{kind} eq 'Tensor' ? '' : "_$input_kind{$_->{kind}}") } @{$op->{inputs}};
}

sub signature {
    my ($op) = @_;
    my ($name, $n_attrs, $text) = ($op->{name}, scalar @{$op->{attrs}}, '');
    my @inputs = @{$op->{inputs}};
    my @fields = ('.name = ' . quoted($name));
    push @fields, '.in = ' . inputs_table($op) if @inputs;
    my @also = map { defined $_->{also} ? quoted($_->{also}) : 'NULL' } @{$op->{inputs}};
    push @fields, '.also = (const char *const[]){' . join(', ', @also) . '}' if grep { $_ ne 'NULL' } @also;
    my @otherwise = map { defined $_->{otherwise} && $_->{kind} !~ /\?$/ ? quoted($_->{otherwise}) : 'NULL' } @{$op->{inputs}};
    push @fields, '.otherwise = (const char *const[]){' . join(', ', @otherwise) . '}' if grep { $_ ne 'NULL' } @otherwise;
    my @outputs = map { row($op->{outputs}[$_], $op->{asked}[$_]) } 0 .. $#{$op->{outputs}};
    push @fields, '.out = EBB_OUTPUTS(' . join(', ', @outputs) . ')' if length $op->{outputs}[0];
    push @fields, '.n_in = ' . @inputs, '.n_out = ' . ($op->{gives_list} ? 'EBB_OUT_LIST' : @{$op->{outputs}});
    if ($n_attrs) {
        push @fields, ".attrs = ebb__attr_table_$op->{table_of}, .n_attrs = $n_attrs", ".attrs_size = sizeof(struct ebb__attrs_$name)";
        $text = join '', "struct ebb__attrs_$name {\n", (map { "    $_->{member};\n" } @{$op->{attrs}}), "};\n",
            "extern const struct ebb_attr ebb__attr_table_$op->{table_of}\[$n_attrs];\n";
    }
    return "\n$text#define EBB__SIG_$name \\\n    " . join(", \\\n    ", @fields) . "\n";
}

sub inputs_tables {
    my ($ops) = @_;
    my %rows;
    for my $op (grep { @{$_->{inputs}} } @$ops) {
        $rows{inputs_table($op)} = join ', ', map { "{\"$_->{name}\", EBB_INPUT_$input_kind{$_->{kind}}}" } @{$op->{inputs}};
    }
    return \%rows;
}

sub signatures_header {
    my ($ops) = @_;
    return "/* The signatures of the operators as fields of struct ebb_op. Generated by scripts/generate.pl. */\n"
        . "/* clang-format off */\n#ifndef EBB_OPS_SIGNATURES_H\n#define EBB_OPS_SIGNATURES_H\n\n#include <ebb/opdef.h>\n"
        . "\n" . join('', map { "extern const struct ebb_op_input $_\[];\n" } sort keys %{inputs_tables($ops)})
        . join('', map { signature($_) } @$ops) . "\n#endif\n";
}

sub attribute_rows {
    my ($op) = @_;
    return map {
        my ($required, $values) = ($_->{option} ? 'false' : 'true', length $_->{values} ? quoted($_->{values}) : 'NULL');
        my $offset = "offsetof(struct ebb__attrs_$op->{name}, $_->{name})";
        my $otherwise = defined $_->{otherwise} ? quoted($_->{otherwise}) : 'NULL';
        my $also = defined $_->{also} ? quoted($_->{also}) : 'NULL';
        "    {\"$_->{name}\", EBB_ATTR_$_->{attr_kind}, $offset, $required, $values, $_->{fallback}, $otherwise, $also},\n"
    } @{$op->{attrs}};
}

sub attribute_table {
    my ($op) = @_;
    return join '', "\nconst struct ebb_attr ebb__attr_table_$op->{name}\[] = {\n", attribute_rows($op), "};\n";
}

sub share_tables { # operators with equal attributes have one table, of the first of them
    my %first;
    for my $op (sort { $a->{name} cmp $b->{name} } @_) {
        my $rows = join '', (map { $_->{member} } @{$op->{attrs}}), map { s/ebb__attrs_$op->{name}/attrs/r } attribute_rows($op);
        $op->{table_of} = $first{$rows} //= $op->{name};
    }
}

sub function {
    my ($op, $name) = @_;
    my ($op_name, $inplace, @outputs) = ($op->{name}, $name ne $op->{forms}[0], @{$op->{outputs}});
    my $row = $op->{list} && @{$op->{inputs}} > 1 ? $op->{list}{value} : '';
    my @inputs = map { $_->{value} eq $row ? 'NULL' : $_->{value} } @{$op->{inputs}};
    my @attrs = map { ".$_->{name} = $_->{value}" } @{$op->{attrs}};
    my @arguments = $row ? ('row.in', 'row.n') : $op->{list} ? ("$inputs[0].t", "$inputs[0].n") : @inputs ? ('in', scalar @inputs) : ('NULL', 0);
    my $arguments = join ', ', "&ebb_op_$op_name", @arguments, @attrs ? '&attrs' : 'NULL';
    my @body = @attrs ? "const struct ebb__attrs_$op_name attrs = {" . join(', ', @attrs) . '};' : ();
    push @body, 'ebb_tensor *const in[] = {' . join(', ', @inputs) . '};' if @inputs && (!$op->{list} || $row);
    if ($row) {
        push @body, 'struct ebb__row row;', "if (ebb__row_make(&row, &ebb_op_$op_name, in, $row)) return NULL;";
        push @body, 'ebb_tensor *y = ' . ($inplace ? 'ebb_call_op_inplace' : 'ebb_call_op1') . "($arguments);";
        push @body, 'ebb__row_end(&row);', 'return y;';
    } elsif ($inplace) {
        push @body, "return ebb_call_op_inplace($arguments);";
    } elsif ($op->{gives_list}) {
        push @body, "return ebb_call_op_list($arguments);";
    } elsif (@outputs > 1) {
        push @body, 'ebb_tensor *out[' . @outputs . '];', "if (ebb_call_op($arguments, out)) return NULL;";
        push @body, map { "if (options.ret_$outputs[$_]) *options.ret_$outputs[$_] = out[$_];" } 1 .. $#outputs;
        push @body, 'return out[0];';
    } else {
        push @body, "return ebb_call_op1($arguments);";
    }
    return join '', "\n", result_type($op), "($name)(", parameters($op, ''), ") {\n", (map { "    $_\n" } @body), "}\n";
}

sub source {
    my @sorted = sort { $a->{name} cmp $b->{name} } @{$_[0]};
    return join '', "/* The functions of the operators and the table of them all. Generated by scripts/generate.pl. */\n",
        "/* clang-format off */\n#include \"ops/ops.h\"\n\n",
        (map { "extern const struct ebb_op ebb_op_$_->{name};\n" } @sorted),
        "\nextern const struct ebb_op *const ebb__op_table[];\nextern const int ebb__op_table_size;\n",
        "const struct ebb_op *const ebb__op_table[] = {\n", (map { "    &ebb_op_$_->{name},\n" } @sorted), "    NULL,\n};\n",
        'const int ebb__op_table_size = ', scalar @sorted, ";\n",
        "\n", (map { "const struct ebb_op_input $_\[] = {" . inputs_tables(\@sorted)->{$_} . "};\n" } sort keys %{inputs_tables(\@sorted)}),
        (map { attribute_table($_) } grep { @{$_->{attrs}} && $_->{table_of} eq $_->{name} } @sorted),
        (map { my $op = $_; map { function($op, $_) } @{$op->{forms}} } @sorted);
}

# ---- writing: src/expr/texts.c ----

sub text_of {
    my ($op) = @_;
    my @fields = map { ".$_ = " . quoted($op->{$_}) } grep { length $op->{$_} } qw(signature doc torch parts);
    my @formula = entries($op->{formula} // '');
    my @samples = entries($op->{samples} // '');
    push @fields, '.formula = ' . row(@formula) if @formula;
    push @fields, '.samples = (const char *const[])' . row(@samples, undef) if @samples;
    return '    {' . quoted($op->{name}) . ",\n     {" . join(",\n      ", @fields) . "}},\n";
}

sub texts {
    my @sorted = sort { $a->{name} cmp $b->{name} } @{$_[0]};
    return join '', "/* What is written about the operators, by name. Generated by scripts/generate.pl. */\n",
        "/* clang-format off */\n#include \"expr/texts.h\"\n\n",
        "const struct ebb__op_text ebb__op_texts[] = {\n", (map { text_of($_) } @sorted), "};\n",
        'const int ebb__op_texts_n = ', scalar @sorted, ";\n";
}

# ---- writing: docs/operators.md ----

sub operator_section {
    my ($op, $overloads) = @_;
    my ($inputs, $outputs) = split /\s*->\s*/, $op->{signature};
    my @formula = strings($op->{formula} // '');
    my @gradients = grep { length $_->[1] } map { [$_->{name}, shift(@formula) // ''] } @{$op->{inputs}};
    my @facts = grep { length } map { "`$_`" } split /,\s*(?![^(]*\))/, $op->{torch};
    push @facts, $op->{node} if length $op->{node};
    push @facts, "in place: `$op->{name}_`" if $op->{inplace};
    push @facts, 'a view of its input' if $op->{view};
    push @facts, autocast($op);
    push @facts, 'no gradient' if $op->{no_derivative};
    push @facts, "a call of `$op->{overload}` by name" if length $op->{overload};
    push @facts, "without names in the order `$op->{order}`" if length $op->{order};
    push @facts, map { "by name also [`$_`](#$_)" } @$overloads;
    push @facts, map { lcfirst s/\.$//r } dtypes($op);
    my @lines = ("### $op->{name}", "    $op->{name}($inputs) -> $outputs", $op->{doc} =~ s/([*<])/\\$1/gr,
        join(' · ', @facts));
    my @rows = map { "- gradient of `$_->[0]`: `$_->[1]`" } @gradients;
    push @rows, "- formula: `$op->{parts}`; the gradient is that of these parts" if length $op->{parts};
    return join("\n\n", grep({ length } @lines), @rows ? join "\n", @rows : ()) . "\n";
}

sub operators_document {
    my %of;
    push @{$of{$_->{family}}}, $_ for sort { $a->{name} cmp $b->{name} } @{$_[0]};
    my @contents = map { my $f = $_; "**$f:** " . join ', ', map { "[$_->{name}](#$_->{name})" } @{$of{$f}} } sort keys %of;
    my $text = <<'END' . join "\n\n", @contents;
# Operators

Generated by `./dev generate` from the definitions in `src/ops`; `ebb ops NAME` prints the same, with samples.

A signature has inputs first: `Tensor`; `Number`, a tensor or a number; with `?` one that may be left out; `Tensors`, a list. Then arguments:
`dim` is a dimension (negative ones count from the end), `newdim` one of a result with a dimension more, `dims` and `shape` are lists, entries of
`shape(none)` may be none, which is -1 in C, an `enum` is one of its words. What has a default with `=` is an option in C: `ebb_sum(x, .keepdim = true)`; all else is a parameter, in this order. A default in
brackets counts for calls by name only: `ebb_call("flatten", EBB_LIST(x))`. An output with an argument in brackets is given by calls by name that set this
argument, in C where its `ret_` option says where it goes; one with empty brackets, kept for the gradient, in C only. Behind a bar stands another name for calls by name; where several arguments have it, a value goes to
the first that takes its kind, and the lists of a list go to one each.

Gradients, and what compositions are made of, are [expressions](expressions.md), and tested to be what is computed: g is the upstream gradient, y the result, `restore` puts
dimensions back that were reduced, `products_of_others` is of all other elements along a dimension; what was broadcast is summed back, dtypes are converted back. Those in quotes are words. The name after
PyTorch's counterpart is that of the node in the graph.

END
    for my $family (sort keys %of) {
        $text .= "\n\n## $family\n";
        for my $op (@{$of{$family}}) {
            my @overloads = map { $_->{name} } grep { $_->{overload} eq $op->{name} } map { @$_ } values %of;
            $text .= "\n" . operator_section($op, [sort @overloads]);
        }
    }
    return $text;
}

# ---- main ----

my $check = @ARGV == 1 && $ARGV[0] eq '--check';

sub deliver { # write the file when it differs; with --check, show how. Returns whether it differed.
    my ($path, $text) = @_;
    my ($before, $target) = ('', $check ? File::Temp->new->filename : $path);
    if (open my $in, '<', $path) { local $/; $before = <$in> }
    return 0 if $before eq $text;
    open my $out, '>', $target or die "generate: $target: $!\n";
    print $out $text;
    close $out or die "generate: $target: $!\n";
    my @labels = ('--label', $path, '--label', "$path, as generated");
    system 'diff', '-u', @labels, -e $path ? $path : '/dev/null', $target if $check;
    $check ? unlink $target : print "generate: wrote $path\n";
    return 1;
}

die "usage: generate.pl [--check]\n" if @ARGV && !$check;
chdir dirname(abs_path($0)) . '/..' or die "generate: $!\n";
my @files = grep { !m{/generated\.c$} } sort glob 'src/ops/*.c';
my @ops = map { read_definitions($_) } @files;
my %file_of;
for my $op (@ops) {
    die "$op->{file}: ebb_op_$op->{name} is defined in $file_of{$op->{name}} already\n" if $file_of{$op->{name}};
    $file_of{$op->{name}} = $op->{file};
    die "$op->{file} does not say where its operators are listed: #define EBB_FAMILY \"Shape\", before the includes\n"
        if $op->{family} eq 'Others';
}
# bernoulli_p, an overload of bernoulli, which has no form in place, is bernoulli_ in place.
for my $op (grep { $_->{inplace} && length $_->{overload} && $_->{name} =~ /^\Q$_->{overload}\E_/ } @ops) {
    my ($base) = grep { $_->{name} eq $op->{overload} } @ops;
    $op->{forms}[1] = "ebb_$op->{overload}_" if $base && !$base->{inplace};
}
share_tables(@ops);
my $stale = deliver('include/ebb/ops.h', public_header(\@files, \@ops));
$stale += deliver('src/ops/signatures.h', signatures_header(\@ops));
$stale += deliver('src/ops/generated.c', source(\@ops));
$stale += deliver('src/expr/texts.c', texts(\@ops));
$stale += deliver('docs/operators.md', operators_document(\@ops));
print $check && $stale ? "generate: run ./dev generate and commit what it writes\n" : 'generate: ' . @ops . " operators\n";
exit($check && $stale ? 1 : 0);
