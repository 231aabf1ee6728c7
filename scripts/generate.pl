#!/usr/bin/env perl
# Write what is made from the definitions of the operators in src/ops, and committed:
#
#     include/ebb/ops.h       options, prototypes, call-site macros, documentation
#     src/ops/signatures.h    what EBB_SIGNATURE(name, ...) stands for, and the attribute structs
#     src/ops/generated.c     the functions, the attribute tables, the table of operators
#
# With --check nothing is written: exit status 1, and a diff, when a file is not as it would be written.
# Definitions are found after the preprocessor ($CC, or cc), so that families may make them with macros.
use strict;
use warnings;
use Cwd qw(abs_path);
use File::Basename qw(dirname basename);
use File::Temp ();

chdir dirname(abs_path($0)) . '/..' or die "generate: $!\n";
my $check = @ARGV && $ARGV[0] eq '--check';
die "usage: generate.pl [--check]\n" if @ARGV > ($check ? 1 : 0);

my %input_kind = ('Tensor' => 'TENSOR', 'Number' => 'NUMBER', 'Tensor?' => 'OPTIONAL', 'Tensors' => 'LIST');
my %c_type = (
    bool => 'bool', int => 'int64_t', float => 'double', dim => 'int64_t', newdim => 'int64_t',
    dims => 'ebb_dims', shape => 'ebb_dims', dtype => 'ebb_dtype', enum => 'int',
    Tensor => 'ebb_tensor *', Number => 'ebb_tensor *', Tensors => 'ebb_list', 'Tensor?' => 'ebb_tensor *',
);
my %promotion = (
    COMMON => 'inputs are promoted to a common dtype', FLOAT => 'integers and bool become the default dtype',
    COMPARE => 'inputs are promoted to a common dtype; the result is bool', FIRST => 'the result has the dtype of the first input',
);
my %dtypes = (FLOATING => 'floating point only', INTEGRAL => 'integers only', NUMERIC => 'not for bool');

# ---- reading ----

sub split_top { # at commas that are in no string, parenthesis, bracket or brace
    my ($text) = @_;
    my ($depth, @parts) = (0, '');
    while ($text =~ /\G("(?:\\.|[^"\\])*"|[^"]|")/gs) {
        my $token = $1;
        $depth++ if $token =~ /^[\(\[\{]$/;
        $depth-- if $token =~ /^[\)\]\}]$/;
        if ($token eq ',' && $depth == 0) { push @parts, '' } else { $parts[-1] .= $token }
    }
    s/^\s+|\s+$//g for @parts;
    return grep { length } @parts;
}

sub strings { # the string literals of an initializer, neighbours joined
    my ($text) = @_;
    my @found;
    for my $part (split_top($text =~ /^\{(.*)\}$/s ? $1 : $text)) {
        my $joined = join '', $part =~ /"((?:\\.|[^"\\])*)"/g;
        $joined =~ s/\\(.)/$1/g;
        $part =~ /^\[(\d+)\]/ ? $found[$1] = $joined : push @found, $joined;
    }
    return @found;
}

sub parse_argument {
    my ($op, $text) = @_;
    my ($kind, $values, $name, $default) = $text =~ /^(\w+\??)(?:\(([\w|]+)\))?\s+(\w+)(?:=(.+))?$/
        or die "$op->{file}: $op->{name}: \"$text\" is no argument\n";
    die "$op->{file}: $op->{name}: $name has the unknown kind $kind\n" unless $c_type{$kind};
    die "$op->{file}: $op->{name}: $name: only an enum has values, and it must have them\n" if defined $values != ($kind eq 'enum');
    my %argument = (kind => $kind, name => $name, default => $default, tensor => exists $input_kind{$kind});
    $argument{option} = $kind eq 'Tensor?' || defined $default;
    $argument{values} = $values =~ s/\|/,/gr if $values;
    my %zero = (bool => 'false', dim => '0', newdim => '0', enum => $values ? (split /\|/, $values)[0] : '');
    die "$op->{file}: $op->{name}: the default of $name must be its zero, $zero{$kind}\n"
        if defined $default && exists $zero{$kind} && $default ne $zero{$kind};
    return \%argument;
}

sub parse_signature {
    my ($op) = @_;
    my ($left, $right) = $op->{signature} =~ /^(.*?)\s*->\s*(.+)$/ or die "$op->{file}: $op->{name}: the signature has no \"->\"\n";
    my @arguments = map { parse_argument($op, $_) } split_top($left);
    $op->{inputs} = [grep { $_->{tensor} } @arguments];
    $op->{attrs} = [grep { !$_->{tensor} } @arguments];
    $op->{positional} = [grep { !$_->{option} } @arguments];
    $op->{options} = [grep { $_->{option} } @arguments];
    $op->{list} = grep { $_->{kind} eq 'Tensors' } @arguments;
    die "$op->{file}: $op->{name}: a list must be the only input\n" if $op->{list} && @{$op->{inputs}} > 1;
    my @outputs = map { /^Tensor(?:\s+(\w+))?$/ ? $1 // '' : die "$op->{file}: $op->{name}: output \"$_\"\n" } split_top($right);
    die "$op->{file}: $op->{name}: several outputs need names\n" if @outputs > 1 && grep { !length } @outputs;
    $op->{outputs} = \@outputs;
    push @{$op->{options}}, map { {kind => 'ret', name => "ret_$_"} } @outputs[1 .. $#outputs];
}

sub read_definitions {
    my ($file) = @_;
    my $cc = $ENV{CC} || 'cc';
    my $text = `$cc -std=c11 -E -P -DEBB_GENERATE -Iinclude -Isrc $file`;
    die "generate: $cc -E failed for $file\n" if $?;
    my @ops;
    while ($text =~ /\bconst\s+struct\s+ebb_op\s+ebb_op_(\w+)\s*=\s*(\{(?:"(?:\\.|[^"\\])*"|[^{}"]|(?2))*\})/g) {
        my %op = (name => $1, file => $file, fields => {});
        for my $field (split_top(substr $2, 1, -1)) {
            $op{fields}{$1} = $2 if $field =~ /^\.(\w+)\s*=\s*(.+)$/s;
        }
        (my $name, $op{signature}) = strings($op{fields}{generate} // die "$file: $op{name} has no EBB_SIGNATURE\n");
        die "$file: ebb_op_$op{name} has the signature of $name\n" if $name ne $op{name};
        parse_signature(\%op);
        push @ops, \%op;
    }
    return @ops;
}

sub subject { # the first sentence of a file's opening comment
    my ($file) = @_;
    open my $in, '<', $file or die "generate: $file: $!\n";
    my $text = do { local $/; <$in> };
    $text =~ m{^/\*\s*(.*?)(?:[.:](?:\s|$)|\*/)}s or die "$file does not open with a comment\n";
    return $1 =~ s/\s*\n \*\s*/ /gr;
}

# ---- writing: include/ebb/ops.h ----

sub wrap { # a comment of paragraphs, at 120 columns
    my $out = '';
    for my $paragraph (@_) {
        my $line = '';
        for my $word (split /\s+/, $paragraph) {
            if (length($line) + length($word) > 112) { $out .= " * $line\n"; $line = '' }
            $line .= length $line ? " $word" : $word;
        }
        $out .= " * $line\n";
    }
    return '/*' . substr($out, 2, -1) . " */\n";
}

sub documentation {
    my ($op) = @_;
    my $field = $op->{fields};
    my @outputs = map { length $_ ? $_ : 'Tensor' } @{$op->{outputs}};
    my @formula = strings($field->{formula} // '');
    my ($doc, $torch, $node) = map { join '', strings($field->{$_} // '') } qw(doc torch node);
    die "$op->{file}: $op->{name} has no .doc\n" unless length $doc;
    my @facts = ($op->{name} . '(' . $op->{signature} =~ s/\s*->\s*(.*)$/) -> $1/r . '.');
    my @types;
    push @types, $promotion{$1} if ($field->{promote} // '') =~ /EBB_PROMOTE_(\w+)/ && $promotion{$1};
    push @types, $dtypes{$1} if ($field->{dtypes} // '') =~ /EBB_(\w+)/ && $dtypes{$1};
    push @facts, 'Dtypes: ' . join('; ', @types) . '.' if @types;
    my @gradients = map { length($formula[$_] // '') ? "$op->{inputs}[$_]{name}: $formula[$_]" : () } 0 .. $#{$op->{inputs}};
    push @facts, "Gradients ($node): " . join('; ', @gradients) . '.' if @gradients;
    push @facts, 'No gradient.' if $field->{no_derivative};
    push @facts, 'A view: shares the storage of its input.' if $field->{view};
    push @facts, "In place: ebb_$op->{name}_." if $field->{inplace};
    push @facts, $torch if length $torch;
    return wrap($doc, join ' ', @facts);
}

sub member { my ($a) = @_; my $type = $a->{kind} eq 'ret' ? 'ebb_tensor **' : $c_type{$a->{kind}}; return $type =~ /\*$/ ? "$type$a->{name}" : "$type $a->{name}" }

sub options_struct {
    my ($op) = @_;
    my $text = "typedef struct ebb_$op->{name}_options {\n";
    for my $a (@{$op->{options}}) {
        my $note = $a->{kind} eq 'ret' ? 'may be NULL' : $a->{values} // ($a->{kind} eq 'Tensor?' ? 'may be NULL' : "default $a->{default}");
        $text .= '    ' . member($a) . "; /* $note */\n";
    }
    return "$text    int ebb__at;\n} ebb_$op->{name}_options;\n";
}

sub declaration { # of the function, in parentheses where a macro of its name must not be meant
    my ($op, $name, $defined) = @_;
    my @parameters = map { member($_) } @{$op->{positional}};
    push @parameters, "ebb_$op->{name}_options options" . ($defined ? '' : ' EBB_DEFAULT') if @{$op->{options}};
    my $list = @parameters ? join(', ', @parameters) : 'void';
    return $defined ? "ebb_tensor *($name)($list)" : "EBB_API ebb_tensor *$name($list);\n";
}

my %at = (Tensor => 'EBB_AT', Number => 'EBB_NUM', Tensors => 'EBB_AT_LIST');

sub plain_macro {
    my ($op, $name) = @_;
    my $parameters = join ', ', map { $_->{name} } @{$op->{positional}};
    my $call = "$name(" . join(', ', map { $at{$_->{kind}} ? "$at{$_->{kind}}($_->{name})" : $_->{name} } @{$op->{positional}}) . ')';
    return "#define $name($parameters) " . (@{$op->{inputs}} ? $call : "((void)EBB_HERE, $call)") . "\n";
}

sub cxx_macro { # numbers among the arguments need an overload before the options' default can stand
    my ($op, $name) = @_;
    my @positional = @{$op->{positional}};
    return "#define $name(...) ((void)EBB_HERE, $name(__VA_ARGS__))\n" unless grep { $_->{kind} eq 'Number' } @positional;
    my $classes = join ', ', map { $_->{kind} eq 'Number' ? "class T_$_->{name}" : () } @positional;
    my $parameters = join ', ', map { $_->{kind} eq 'Number' ? "T_$_->{name} $_->{name}" : member($_) } @positional;
    my $arguments = join ', ', map { $_->{kind} eq 'Number' ? "ebb__num($_->{name})" : $_->{name} } @positional;
    return "extern \"C++\" {\ntemplate <$classes> inline ebb_tensor *ebb__cxx_$name($parameters, ebb_$op->{name}_options options = {}) {\n"
        . "    return $name($arguments, options);\n}\n}\n#define $name(...) ((void)EBB_HERE, ebb__cxx_$name(__VA_ARGS__))\n";
}

sub options_macro {
    my ($op, $name) = @_;
    my @positional = @{$op->{positional}};
    my $arguments = join ', ', map { $at{$_->{kind}} ? "$at{$_->{kind}}($_->{name})" : $_->{name} } @positional;
    my $names = join ', ', map { $_->{name} } @positional;
    my $helper = "ebb__" . substr($name, 4) . '_';
    my $c = @positional
        ? "#define $name(...) $helper(__VA_ARGS__, .ebb__at = EBB_HERE)\n"
        . "#define $helper($names, ...) $name($arguments, (ebb_$op->{name}_options){__VA_ARGS__})\n"
        : "#define $name(...) $name((ebb_$op->{name}_options){.ebb__at = EBB_HERE, __VA_ARGS__})\n";
    return "#ifdef __cplusplus\n" . cxx_macro($op, $name) . "#else\n$c#endif\n";
}

sub forms { # the names of an operator's functions
    my ($op) = @_;
    return ("ebb_$op->{name}", $op->{fields}{inplace} ? "ebb_$op->{name}_" : ());
}

sub public_header {
    my ($files, $ops) = @_;
    my $text = <<'END';
/* The operators. Generated by scripts/generate.pl from the definitions in src/ops.
 *
 * Each returns a new tensor owned by the innermost scope, or NULL, with the thread's error set, when it cannot be computed.
 * Inputs are borrowed; NULL for an input gives NULL. Each function comes with a macro of its name that notes the caller's
 * line, takes numbers where the signature says Number, and options by name: ebb_sum(x, .keepdim = true). In the gradients
 * g is the upstream gradient and y the result; gradients are summed to the shape of a broadcast input. Forms with a
 * trailing underscore write the result into their first argument and return it. */
/* clang-format off */
#ifndef EBB_OPS_H
#define EBB_OPS_H

#include <ebb/opdef.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline ebb_list ebb__at_list(ebb_list list, const char *file, int line) {
    (void)ebb_at(file, line);
    return list;
}
#ifdef EBB_NO_CALL_SITES
#define EBB_AT_LIST(list) (list)
#else
#define EBB_AT_LIST(list) ebb__at_list((list), __FILE__, __LINE__)
#endif
END
    for my $file (@$files) {
        my @mine = grep { $_->{file} eq $file } @$ops or next;
        my $head = '/* ---- ' . basename($file) . ': ' . subject($file) . ' ';
        $text .= "\n$head" . '-' x (length($head) < 114 ? 114 - length $head : 3) . " */\n";
        for my $op (@mine) {
            $text .= "\n" . (@{$op->{options}} ? options_struct($op) . "\n" : '') . documentation($op);
            $text .= declaration($op, $_, 0) for forms($op);
            $text .= @{$op->{options}} ? options_macro($op, $_) : plain_macro($op, $_) for forms($op);
        }
    }
    return "$text\n#ifdef __cplusplus\n}\n#endif\n#endif\n";
}

# ---- writing: src/ops ----

sub quoted { my ($text) = @_; return '"' . $text =~ s/(["\\])/\\$1/gr . '"' }

sub signatures_header {
    my ($ops) = @_;
    my $text = <<'END';
/* The signatures of the operators as fields of struct ebb_op. Generated by scripts/generate.pl. */
/* clang-format off */
#ifndef EBB_OPS_SIGNATURES_H
#define EBB_OPS_SIGNATURES_H

#include <ebb/opdef.h>
END
    for my $op (@$ops) {
        my ($name, $n_attrs) = ($op->{name}, scalar @{$op->{attrs}});
        my @fields = ('.name = ' . quoted($name), '.signature = ' . quoted($op->{signature}));
        my @inputs = map { "{\"$_->{name}\", EBB_INPUT_$input_kind{$_->{kind}}}" } @{$op->{inputs}};
        push @fields, '.in = {' . join(', ', @inputs) . '}' if @inputs;
        push @fields, '.n_in = ' . @inputs;
        push @fields, '.out = {' . join(', ', map { quoted($_) } @{$op->{outputs}}) . '}' if length $op->{outputs}[0];
        push @fields, '.n_out = ' . @{$op->{outputs}};
        $text .= "\n";
        if ($n_attrs) {
            $text .= "struct ebb__attrs_$name {\n" . join('', map { '    ' . member($_) . ";\n" } @{$op->{attrs}}) . "};\n";
            $text .= "extern const struct ebb_attr ebb__attr_table_$name\[$n_attrs];\n";
            push @fields, ".attrs = ebb__attr_table_$name", ".n_attrs = $n_attrs", ".attrs_size = sizeof(struct ebb__attrs_$name)";
        }
        $text .= "#define EBB__SIG_$name \\\n    " . join(", \\\n    ", @fields) . "\n";
    }
    return "$text\n#endif\n";
}

sub function {
    my ($op, $name) = @_;
    my ($op_name, @outputs) = ($op->{name}, @{$op->{outputs}});
    my $body = '';
    if (my @attrs = @{$op->{attrs}}) {
        $body .= "    const struct ebb__attrs_$op_name attrs = {" . join(', ', map { '.' . $_->{name} . ' = ' . ($_->{option} ? 'options.' : '') . $_->{name} } @attrs) . "};\n";
    }
    my @inputs = map { ($_->{option} ? 'options.' : '') . $_->{name} } @{$op->{inputs}};
    $body .= '    ebb_tensor *const in[] = {' . join(', ', @inputs) . "};\n" if @inputs && !$op->{list};
    my $arguments = join ', ', "&ebb_op_$op_name", $op->{list} ? ("$inputs[0].t", "$inputs[0].n") : @inputs ? ('in', scalar @inputs) : ('NULL', 0),
        @{$op->{attrs}} ? '&attrs' : 'NULL';
    if (@outputs > 1 && $name !~ /_$/) {
        $body .= '    ebb_tensor *out[' . @outputs . "];\n    if (ebb_call_op($arguments, out)) return NULL;\n";
        $body .= "    if (options.ret_$outputs[$_]) *options.ret_$outputs[$_] = out[$_];\n" for 1 .. $#outputs;
        $body .= "    return out[0];\n";
    } else {
        $body .= '    return ' . ($name =~ /_$/ ? 'ebb_call_op_inplace' : 'ebb_call_op1') . "($arguments);\n";
    }
    return declaration($op, $name, 1) . " {\n$body}\n";
}

sub attribute_table {
    my ($op) = @_;
    my $text = "const struct ebb_attr ebb__attr_table_$op->{name}\[] = {\n";
    for my $a (@{$op->{attrs}}) {
        $text .= "    {\"$a->{name}\", EBB_ATTR_" . uc($a->{kind}) . ", offsetof(struct ebb__attrs_$op->{name}, $a->{name}), "
            . ($a->{option} ? 'false' : 'true') . ', ' . ($a->{values} ? quoted($a->{values}) : 'NULL') . "},\n";
    }
    return "$text};\n";
}

sub source {
    my ($ops) = @_;
    my @sorted = sort { $a->{name} cmp $b->{name} } @$ops;
    my $text = "/* The functions of the operators and the table of them all. Generated by scripts/generate.pl. */\n/* clang-format off */\n"
        . "#include \"ops/ops.h\"\n\n";
    $text .= "extern const struct ebb_op ebb_op_$_->{name};\n" for @sorted;
    $text .= "\nextern const struct ebb_op *const ebb__op_table[];\nextern const int ebb__op_table_size;\n";
    $text .= "const struct ebb_op *const ebb__op_table[] = {\n" . join('', map { "    &ebb_op_$_->{name},\n" } @sorted) . "    NULL,\n};\n";
    $text .= 'const int ebb__op_table_size = ' . @sorted . ";\n";
    $text .= "\n" . attribute_table($_) for grep { @{$_->{attrs}} } @sorted;
    for my $op (@sorted) { $text .= "\n" . function($op, $_) for forms($op) }
    return $text;
}

# ---- main ----

sub deliver { # write the file when it differs; with --check, show how. Returns whether it differed.
    my ($path, $text) = @_;
    my $before = '';
    if (open my $in, '<', $path) { local $/; $before = <$in> }
    return 0 if $before eq $text;
    my $target = $check ? File::Temp->new : undef;
    open my $out, '>', $check ? $target->filename : $path or die "generate: $path: $!\n";
    print $out $text;
    close $out or die "generate: $path: $!\n";
    system 'diff', '-u', '--label', $path, '--label', "$path, as generated", -e $path ? $path : '/dev/null', $target->filename if $check;
    print "generate: wrote $path\n" unless $check;
    return 1;
}

my @files = grep { !m{/generated\.c$} } sort glob 'src/ops/*.c';
my @ops = map { read_definitions($_) } @files;
my %file_of;
for my $op (@ops) {
    die "$op->{file}: operator $op->{name} is defined in $file_of{$op->{name}} already\n" if $file_of{$op->{name}};
    $file_of{$op->{name}} = $op->{file};
}
my $stale = deliver('include/ebb/ops.h', public_header(\@files, \@ops));
$stale += deliver('src/ops/signatures.h', signatures_header(\@ops));
$stale += deliver('src/ops/generated.c', source(\@ops));
if ($check && $stale) {
    print "generate: run scripts/generate.pl (or ./dev generate) and commit what it writes\n";
    exit 1;
}
print 'generate: ' . @ops . " operators\n";
