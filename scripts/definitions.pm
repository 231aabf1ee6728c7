# Reading the definitions of the operators: what scripts/generate.pl writes from.
#
# A definition is "const struct ebb_op ebb_op_NAME = {...}" after the preprocessor ($CC, or cc), so families may make
# them with macros; EBB_SIGNATURE(NAME, "...") gives arguments and outputs, in the language of include/ebb/opdef.h.
package definitions;
use strict;
use warnings;
use Exporter qw(import);
our @EXPORT = qw(%input_kind read_definitions entries strings subject);

our %input_kind = (
    'Tensor' => 'TENSOR', 'Number' => 'NUMBER', 'Tensor?' => 'OPTIONAL', 'Number?' => 'OPTIONAL_NUMBER', 'Tensors' => 'LIST',
    'Tensors?' => 'OPTIONAL_LIST',
);
my %c_type = (
    'Tensor' => 'ebb_tensor *', 'Number' => 'ebb_tensor *', 'Tensor?' => 'ebb_tensor *', 'Number?' => 'ebb_tensor *', 'Tensors' => 'ebb_list ',
    'Tensors?' => 'ebb_list ',
    bool => 'bool ', int => 'int64_t ', float => 'double ', dim => 'int64_t ', newdim => 'int64_t ', enum => 'int ',
    'float?' => 'ebb_setting ', 'bool?' => 'ebb_setting ', 'int?' => 'ebb_setting ', number => 'ebb_setting ',
    ints => 'ebb_ints ', floats => 'ebb_floats ', string => 'const char *', dims => 'ebb_dims ', shape => 'ebb_dims ', dtype => 'ebb_dtype ',
);
my %call_site = (Tensor => 'EBB_AT', Number => 'EBB_NUM', Tensors => 'EBB_AT_LIST', 'Tensors?' => 'EBB_AT_LIST'); # in the macros of call sites
$call_site{number} = 'EBB_SET';

sub split_top { # at commas that are in no string, parenthesis, bracket or brace
    my ($text) = @_;
    my ($depth, @parts) = (0, '');
    while ($text =~ /\G("(?:\\.|[^"\\])*"|.)/gs) {
        my $token = $1;
        $depth++ if $token =~ /^[\(\[\{]$/;
        $depth-- if $token =~ /^[\)\]\}]$/;
        if ($token eq ',' && $depth == 0) { push @parts, '' } else { $parts[-1] .= $token }
    }
    s/^\s+|\s+$//g for @parts;
    return grep { length } @parts;
}

sub entries { # the string literals of an initializer, neighbours joined, designated ones in their places; undef for NULL
    my ($text) = @_;
    my @found;
    for my $part (split_top($text =~ /^\{(.*)\}$/s ? $1 : $text)) {
        my $joined = $part =~ /"/ ? join('', $part =~ /"((?:\\.|[^"\\])*)"/g) =~ s/\\(.)/$1/gr : undef;
        die "the place $1 in a list of texts is no number\n" if $part =~ /^\[(?!\d)(.*?)\]/;
        $found[$part =~ /^\[(\d+)\]/ ? $1 : scalar @found] = $joined;
    }
    return @found;
}

sub strings { # the same, with nothing for NULL
    return map { $_ // '' } entries(@_);
}

sub fallback { # a number's text as an ebb_setting
    my ($text) = @_;
    return '{0, 0, EBB_DTYPE_NONE, false}' unless defined $text;
    return "{$text, $text, EBB_BOOL, true}" if $text =~ /^(true|false)$/;
    return $text =~ /^-?\d+$/ ? "{$text, $text, EBB_I64, true}" : "{$text, 0, EBB_F64, true}";
}

sub parse_argument {
    my ($text) = @_;
    my ($kind, $values, $name, $also, $by_name, $default) =
        $text =~ /^(\w+\??)(?:\(([\w|-]+)\))?\s+(\w+)(?:\|(\w+))?(?:\[=([^\]]+)\]|=(.+))?$/ or die "\"$text\" is no argument\n";
    die "$name has the unknown kind $kind\n" unless $c_type{$kind};
    die "$name: an enum has values; of a shape entries may be none\n"
        unless $kind eq 'enum' ? defined $values : !defined $values || "$kind($values)" eq 'shape(none)';
    my %zero = (bool => 'false', dim => '0', newdim => '0', enum => ($values // '') =~ s/\|.*//r);
    die "the default of $name must be its zero, $zero{$kind}\n"
        if defined $default && exists $zero{$kind} && $default ne $zero{$kind};
    my $option = $kind =~ /\?$/ && $kind ne 'Tensors?' || defined $default; # a list may be empty
    my $note = $values ? $values =~ s/\|/, /gr : defined $default ? "default $default" : 'may be NULL';
    $note = 'EBB_NUM(x), or NULL' if $kind eq 'Number?';
    my $setting = $kind =~ /^(float|bool|int)\?$/;
    $note = 'EBB_SET(x); default ' . ($default //= 'none') if $setting;
    my $fallback = $setting && $default ne 'none' ? $default : undef;
    my $attr_kind = $kind eq 'int?' ? 'COUNT' : $setting || $kind eq 'number' ? 'SETTING' : uc $kind;
    return {
        kind => $kind, name => $name, option => $option, values => ($values // '') =~ s/\|/,/gr,
        member => "$c_type{$kind}$name", value => $option ? "options.$name" : $name,
        noted => $call_site{$kind} ? "$call_site{$kind}($name)" : $name,
        note => $note, attr_kind => $attr_kind, also => $also,
        fallback => fallback($fallback), otherwise => $by_name // $default,
    };
}

sub parse_signature {
    my ($op) = @_;
    my ($left, $right) = $op->{signature} =~ /^(.*?)\s*->\s*(.+)$/ or die "the signature has no \"->\"\n";
    my @arguments = map { parse_argument($_) } split_top($left);
    $op->{gives_list} = $right eq 'Tensors';
    my (@outputs, @asked) = ();
    for my $output ($op->{gives_list} ? () : split_top($right)) {
        $output =~ /^Tensor(?:\s+(\w+)(\[(\w*)\])?)?$/ or die "\"$output\" is no output\n";
        push @outputs, $1 // '';
        push @asked, defined $2 ? $3 : undef;
    }
    @outputs = ('') if $op->{gives_list};
    die "several outputs need names\n" if @outputs > 1 && grep { !length } @outputs;
    @$op{qw(outputs asked)} = (\@outputs, \@asked);
    for my $k (grep { length($asked[$_] // '') } 0 .. $#asked) { # in C it is asked for by the place where it goes
        my ($by) = grep { $_->{name} eq $asked[$k] && $_->{kind} eq 'bool' } @arguments;
        die "there is no bool $asked[$k]\n" unless $by && $k;
        ($by->{asks}, $by->{value}) = (1, "options.ret_$outputs[$k] != NULL");
    }
    $op->{inputs} = [grep { $input_kind{$_->{kind}} } @arguments];
    $op->{attrs} = [grep { !$input_kind{$_->{kind}} } @arguments];
    $op->{positional} = [grep { !$_->{option} } @arguments];
    my @others = map { {member => "ebb_tensor **ret_$_", note => 'may be NULL'} } @outputs[1 .. $#outputs];
    $op->{options} = [(grep { $_->{option} && !$_->{asks} } @arguments), @others];
    $op->{list} = (grep { $_->{kind} =~ /^Tensors/ } @arguments)[0];
    die "there are several lists\n" if (grep { $_->{kind} =~ /^Tensors/ } @arguments) > 1;
    die "several outputs, and a list among other inputs\n"
        if $op->{list} && @{$op->{inputs}} > 1 && (@outputs > 1 || $op->{gives_list});
}

sub read_definitions {
    my ($file) = @_;
    my $cc = $ENV{CC} || 'cc';
    my $text = `$cc -std=c11 -E -P -DEBB_GENERATE -Iinclude -Isrc $file`;
    die "generate: $cc -E failed for $file\n" if $?;
    my @ops;
    while ($text =~ /\bconst\s+struct\s+ebb_op\s+ebb_op_(\w+)\s*=\s*(\{(?:"(?:\\.|[^"\\])*"|[^{}"]|(?2))*\})/g) {
        my %op = (name => $1, file => $file);
        for my $field (split_top(substr $2, 1, -1)) { $op{$1} = $2 if $field =~ /^\.(\w+)\s*=\s*(.+)$/s }
        $op{$_} = join '', strings($op{$_} // '') for qw(doc torch node family overload order parts);
        eval {
            (my $name, $op{signature}) = strings($op{generate} // '');
            die "there is no EBB_SIGNATURE of that name\n" unless ($name // '') eq $op{name};
            die "there is no .doc\n" unless length $op{doc};
            parse_signature(\%op);
            die "text is borrowed for the call: only a composition recorded as its parts may have it\n"
                if $op{vjp} && grep { $_->{kind} eq 'string' } @{$op{attrs}};
            1;
        } or die "$file: ebb_op_$op{name}: $@";
        $op{forms} = ["ebb_$op{name}", $op{inplace} ? "ebb_$op{name}_" : ()];
        push @ops, \%op;
    }
    return @ops;
}

sub subject { # the first sentence of a file's opening comment
    my ($file) = @_;
    open my $in, '<', $file or die "generate: $file: $!\n";
    my $text = do { local $/; <$in> };
    $text =~ m{^/\*\s*(.*?)(?:[.:;,]?\s*\*/|[.:](?=\s))}s or die "$file does not open with a comment\n";
    return $1 =~ s/\s*\n \*\s*/ /gr;
}

1;
