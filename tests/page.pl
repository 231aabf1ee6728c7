#!/usr/bin/env perl
# The pages in a real browser: opened, walked to their ends step by step, and what they show compared with the engine's:
# gradients, second derivatives, tangents, and where elements lie in their storages; read as screen readers do, used by keys
# alone, on a phone's width.   page.pl EBB [FOLDER]   where EBB is the program; a folder gets pictures, to be looked at.
# Skipped (77) where there is no Chromium or no Graphviz.
use strict;
use warnings;
use utf8;
use File::Temp ();
use FindBin;
use JSON::PP;
use lib $FindBin::Bin;
use browser;

my $ebb = shift // die "usage: page.pl EBB [FOLDER]\n";
my $pictures = shift;
sub skip { print "skipped: $_[0]\n"; exit 77 }
skip('no Chromium') unless browser::found();
skip('no Graphviz') unless grep { -x "$_/dot" } split /:/, $ENV{PATH};
binmode STDOUT, ":utf8";
$| = 1;
my $folder = File::Temp->newdir();
my $browser = browser->new;
my $bad = 0;
sub check { my ($ok, $what) = @_; print $ok ? "ok: $what\n" : "FAILED: $what\n"; $bad ||= !$ok }

my $may_fail = 0; # the command, which writes all the same
sub written {
    my ($name, @command) = @_;
    open my $in, '-|:raw', @command or die "$command[0]: $!\n";
    local $/;
    my $text = <$in>;
    close $in or $may_fail or die "@command fails\n";
    open my $out, '>:raw', "$folder/$name" or die "$name: $!\n";
    print $out $text;
    close $out;
    return $text;
}

# The page's elements after its script has run, which must be without an error.
sub opened {
    my ($url, %how) = @_;
    $browser->open($url, %how);
    die "$url: $_\n" for @{ $browser->{errors} };
    return $browser->dom;
}

sub unescaped { my ($text) = @_; $text =~ s/&quot;/"/g; $text =~ s/&lt;/</g; $text =~ s/&gt;/>/g; $text =~ s/&amp;/&/g; return $text }

sub gradients_shown { my ($dom) = @_; return map { unescaped($_) } $dom =~ /<tr data-name="([^"]*)" data-gradient="([^"]*)"/g }

my @graphs = (
    ['two paths', 'z = x*y + sin(x)', 'x=2', 'y=3'],
    ['network', 'L = sum((W3 @ (W2 @ relu(W1 @ x + b1) + b2) + b3 - y)**2)', 'x=[1,2]', 'y=0.5', 'W1=randn(2,2)', 'b1=randn(2)',
        'W2=randn(2,2)', 'b2=randn(2)', 'W3=randn(1,2)', 'b3=randn(1)'],
    ['broadcast, reduced, batched', 'A = x @ x.mT; L = sum(A * exp(-A), dim=(1, 2)) * w; sum(L)', 'x=randn(2,3,4)', 'w=[1,2]'],
);
for my $graph (@graphs) {
    my ($name, @what) = @$graph;
    my $report = decode_json(written('report.json', $ebb, 'explain', @what, '--format', 'json'));
    my $page = written('page.html', $ebb, 'explain', @what, '--format', 'html');
    check($page !~ m{(?:src|href)=|https?://(?!www\.w3\.org)}, "$name: nothing is fetched");
    for my $lang ($name eq 'network' ? ('en', 'zh') : 'en') {
        my $dom = opened("file://$folder/page.html#walk=1&lang=$lang");
        check($dom =~ /<body[^>]*data-end="1"[^>]*data-ready="1"|<body[^>]*data-ready="1"[^>]*data-end="1"/, "$name, $lang: the page is walked to its end");
        my %shown = gradients_shown($dom);
        my $same = 1;
        for my $g (@{ $report->{gradients} }) {
            my $seen = exists $shown{ $g->{name} } ? decode_json($shown{ $g->{name} }) : [];
            my $engine = $g->{value}{data};
            $same &&= @$seen == @$engine && !grep { $seen->[$_] != $engine->[$_] } 0 .. $#$engine;
        }
        check($same && @{ $report->{gradients} } == keys %shown, "$name, $lang: " . keys(%shown) . ' gradients are the engine\'s');
    }
    my $dom = opened("file://$folder/page.html");
    check(!gradients_shown($dom) && $dom =~ /data-step="0"/, "$name: no gradient is shown before the first step");
}

written('chapter.html', $ebb, 'chapter', '--html');
for my $i (0 .. 2) {
    my %shown = gradients_shown(opened("file://$folder/chapter.html#item=$i&walk=1"));
    check(keys %shown == (2, 3, 8)[$i], "chapter, example @{[$i + 1]}: all gradients are there");
}

# A page in Chinese says nothing in English: two words of it beside each other, outside of programs and of operators' documentation.
sub speaks_chinese {
    my ($dom, $what) = @_;
    $dom =~ s{<(script|style|svg|pre|h1|code|button)\b.*?</\1>}{}gs;
    $dom =~ s{<div class="about" lang="en">.*?</div>}{}gs;
    my @english = $dom =~ /(?:title|aria-label)="([^"]*\b[a-z]{3,} [a-z]{2,}\b[^"]*)"/g;
    $dom =~ s/<[^>]*>/ | /g;
    push @english, $dom =~ /\b([a-z]{2,} [a-z]{3,})\b/g;
    check(!@english, "$what: all in Chinese" . (@english ? ", but not: @english[0 .. ($#english > 4 ? 4 : $#english)]" : ''));
}
my $embedding = 'p = pad(x, (1, 1), mode="reflect"); y = p.repeat(2, 1); q, r = qr(y @ w); sum(q) + sum(x.sum(0) * unique(v))';
written('words.html', $ebb, 'explain', $embedding, 'x=randn(2,4)', 'w=randn(6,3)', 'v=[3,1,2,2,0]', '--format', 'html', '--lang', 'zh');
for my $step (0, 3, 'end') {
    my $dom = opened("file://$folder/words.html#step=$step");
    check($dom =~ /data-ready="1"/, "sentences: opens at step $step");
    speaks_chinese($dom, "sentences at step $step");
}

# Everything that is read stands out from what it stands on: WCAG's ratio of 4.5 for texts, 3 for what is drawn.
sub light { my ($r, $g, $b) = map { $_ <= 0.03928 ? $_ / 12.92 : (($_ + 0.055) / 1.055)**2.4 } map { $_ / 255 } @_; return 0.2126 * $r + 0.7152 * $g + 0.0722 * $b }
sub contrast { my ($x, $y) = sort { $b <=> $a } map { light(@$_) } @_; return ($x + 0.05) / ($y + 0.05) }
sub hsl { # as CSS computes it
    my ($h, $s, $l) = @_;
    my $reach = $s * ($l < 0.5 ? $l : 1 - $l);
    return map {
        my $k = $_ + $h / 30;
        $k -= 12 if $k >= 12;
        my ($least) = sort { $a <=> $b } $k - 3, 9 - $k, 1;
        255 * ($l - $reach * ($least < -1 ? -1 : $least));
    } 0, 8, 4;
}
for my $kind (['explain', 'z = x*y', 'x=2', 'y=3'], ['dims', 'arange(6)']) {
    my $looks = written('looks.html', $ebb, @$kind, '--format', 'html');
    for my $theme ('', '\[data-theme="dark"\]') {
        my %colour;
        for my $rule ($looks =~ /^:root$theme \{(.*?)\}/gms) {
            $colour{$1} = [map { hex } $2, $3, $4] while $rule =~ /--([\w-]+): #(..)(..)(..);/g;
            $colour{$1} = [$2, $3, $4] while $rule =~ /--([\w-]+): (\d+), (\d+), (\d+);/g;
            $colour{s} = $1 / 100 if $rule =~ /--s: (\d+)%/;
            $colour{l} = $1 / 100 if $rule =~ /--l: (\d+)%/;
        }
        my @pairs = map { my ($on, @what) = @$_; map { [$_, $on, 4.5] } @what } (['bg', qw(fg soft go back good)], ['panel', qw(fg soft go back)]);
        push @pairs, ['edge', 'bg', 3], ['focus', 'bg', 3];
        push @pairs, map { my $on = $_; map { [$_, $on, 4.5] } qw(fg go back soft) } qw(node leaf root) if $kind->[0] eq 'explain';
        push @pairs, ['hit', 'bg', 3], ['from', 'bg', 3] if $kind->[0] eq 'dims';
        for (qw(cell cell-minus)) { # the strongest with a number in it
            my ($over, $under) = @colour{$_, 'bg'};
            $colour{"$_ at its strongest"} = [map { 0.5 * $over->[$_] + 0.5 * $under->[$_] } 0 .. 2];
            push @pairs, ['fg', "$_ at its strongest", 4.5];
        }
        for my $hue ($kind->[0] eq 'dims' ? map { 10 * $_ } 0 .. 35 : ()) {
            $colour{"hue $hue"} = [hsl($hue, @colour{qw(s l)})];
            push @pairs, ['fg', "hue $hue", 4.5], ['hit', "hue $hue", 3], ['from', "hue $hue", 3];
        }
        my @low = grep { !$colour{ $_->[0] } || !$colour{ $_->[1] } || contrast(@colour{ @$_[0, 1] }) < $_->[2] } @pairs;
        check(!@low && @pairs > 12, "$kind->[0]" . ($theme ? ', dark' : ', light') . ': ' . @pairs . ' pairs of colours' . join '', map { ", $_->[0] on $_->[1] too low" } @low);
    }
}

# ---- second derivatives and forward mode ----

sub same { my ($x, $y) = @_; return "@$x" eq "@$y" }
sub near { my ($x, $y, $digits) = @_; return $x eq $y || $x =~ /\d/ && $y =~ /\d/ && abs($x - $y) <= 10**-$digits * abs $y }
sub flat { my ($v) = @_; return ref $v ? map { flat($_) } @$v : $v }

my @second = (
    ['two scalars', 'z = x*y + sin(x)', 'x=2', 'y=3'],
    ['blocks of many elements', 'L = sum((x @ W)**3)', 'x=randn(9)', 'W=randn(9,9)'],
    ['a layer', 'L = sum((relu(X @ W + b))**2)', 'X=randn(4,3)', 'W=randn(3,2)', 'b=randn(2)'],
);
for my $graph (@second) {
    my ($name, @what) = @$graph;
    my $report = decode_json(written('report.json', $ebb, 'explain', @what, '--order', '2', '--forward-mode', '--format', 'json'));
    written('second.html', $ebb, 'explain', @what, '--order', '2', '--forward-mode', '--format', 'html');
    opened("file://$folder/second.html");
    my %name = map { $_->{id} => $_->{name} } @{ $report->{nodes} };
    my %size = map { my $n = 1; $n *= $_ for @{ $_->{outputs}[0]{shape} }; $_->{id} => $n } @{ $report->{nodes} };
    my @variables = map { $_->{row} } grep { $_->{row} == $_->{column} } @{ $report->{hessian}{blocks} };
    my %block = map { ("$_->{row} $_->{column}" => $_->{value}{data}) } @{ $report->{hessian}{blocks} };
    my @engine = map { my $v = $_; map { my $i = $_; map { my $c = $_; map { $block{"$v $c"}[$i * $size{$c} + $_] } 0 .. $size{$c} - 1 } @variables } 0 .. $size{$v} - 1 } @variables;
    # A cell's title is "d²L/dW[0, 1] db[1] = 2.5": which element it is, and its value.
    my $cells = $browser->ask('[...document.querySelectorAll("#hessian tbody td")].map(c => [c.title, c.textContent])');
    my @off = grep { my ($what, $value) = split / = /, $cells->[$_][0]; !near($value, $engine[$_], 5) || length $cells->[$_][1] && !near($cells->[$_][1], $engine[$_], 3) } 0 .. $#$cells;
    my @heads = @{ $browser->ask('[...document.querySelectorAll("#hessian thead th")].map(c => c.textContent)') };
    check(@$cells == @engine && @engine > 3 && !@off && same(\@heads, [map { $name{$_} } @variables]), "$name: " . @engine . ' second derivatives are the engine\'s' . (@off ? ", but not: $cells->[$off[0]][0]" : ''));
    check($browser->ask('document.querySelector("#second .good") !== null'), "$name: the Hessian's check is told");
    check(!grep({ $_ ne "\x{b7}" } flat($browser->ask('[...document.querySelectorAll("#tangents tr[data-node]")].filter(r => !["variable"].includes(Ebb.item.report.nodes[r.dataset.node].kind)).map(r => [...r.querySelectorAll("td")].map(c => c.textContent))'))), "$name: no tangent is shown before its value");
    opened("file://$folder/second.html#step=end");
    my $shown = $browser->ask('Object.fromEntries([...document.querySelectorAll("#tangents tr[data-node]")].map(r => [r.dataset.node, [...r.cells].slice(1).map(c => { const cells = [...c.querySelectorAll("td")]; return cells.length ? cells.map(d => d.title) : [c.textContent]; })]))');
    my ($right, $seen) = (1, 0);
    for my $k (0 .. $#{ $report->{tangents} }) {
        for my $t (@{ $report->{tangents}[$k]{values} }) {
            my ($data, $there) = ($t->{value}{data}, $shown->{ $t->{node} }[$k]);
            $seen += @$data;
            $right &&= @$there == @$data && !grep { !near($there->[$_], $data->[$_], 5) } 0 .. $#$data;
        }
    }
    check($right && $seen > 3, "$name: $seen elements of tangents are the engine's");
    my $feet = $browser->ask('[...document.querySelectorAll("#tangents tfoot tr")].map(r => [...r.cells].slice(1).map(c => c.textContent))');
    check(@$feet == 3 && !grep({ !near($feet->[0][$_], $report->{tangents}[$_]{sum}, 5) || !near($feet->[1][$_], $report->{tangents}[$_]{expected}, 5) || $feet->[2][$_] !~ /✓/ } 0 .. $#{ $report->{tangents} }),
        "$name: the tangents' sums are the gradients'");
}
written('many.html', $ebb, 'explain', 'L = sum(sin(x)*W)', 'x=randn(50)', 'W=randn(4,50)', '--order', '2', '--format', 'html');
opened("file://$folder/many.html");
check($browser->ask('document.getElementById("second").textContent') =~ /250.*128/, 'of too many elements no second derivatives: it says so');

# ---- what a step says, and to whom ----

written('acted.html', $ebb, 'dims', 'arange(6).view(2, 3).t()', '--format', 'html');

# An equation has a value on its right, and never a shape.
written('page.html', $ebb, 'explain', @{ $graphs[1] }[1 .. $#{ $graphs[1] }], '--format', 'html');
my $network = decode_json(written('report.json', $ebb, 'explain', @{ $graphs[1] }[1 .. $#{ $graphs[1] }], '--format', 'json'));
my %complete = map { $_->{name} => $_->{value} } @{ $network->{gradients} };
opened("file://$folder/page.html");
my @said = map { $browser->key('ArrowRight'); $browser->ask('document.getElementById("now").innerText') } 1 .. $browser->ask('document.getElementById("scrub").max');
check(!grep({ /= \(\d*(?:×\d+)*\)/ } @said), 'no step gives a shape as a value');
my ($told, @wrong) = (0);
for (@said) {
    my ($name, $value) = /(\w+)\.grad = (.*)/ or next;
    my @numbers = flat(decode_json($value));
    $told++;
    push @wrong, $name if @numbers != @{ $complete{$name}{data} } || grep { !near($numbers[$_], $complete{$name}{data}[$_], 3) } 0 .. $#numbers;
}
check($told == keys %complete && !@wrong, "$told steps tell a gradient that is the engine's" . (@wrong ? ", but not: @wrong" : ''));

# Where paths join: each one's share at its edge, and that both have come; what a mask holds back is crossed.
written('joins.html', $ebb, 'explain', @{ $graphs[0] }[1 .. $#{ $graphs[0] }], '--format', 'html');
opened("file://$folder/joins.html#step=end");
my $joins = $browser->ask('["#stage .addend text", "#stage .joins:not(.part) text"].map(q => [...document.querySelectorAll(q)].map(t => t.textContent).sort())');
check(same($joins->[0], ['-0.4161', '3']) && same($joins->[1], ["\x{3a3} 2/2"]), "paths that join: @{ $joins->[0] }, @{ $joins->[1] }");
opened("file://$folder/page.html#step=end");
my ($relu) = grep { $_->{mask} } @{ $network->{nodes} };
my $held = grep { !$_ } @{ $relu->{mask}{data} };
check($held && $browser->ask("document.querySelectorAll('#n$relu->{id} .off').length") == 2 * $held, "a mask: $held of " . @{ $relu->{mask}{data} } . ' are crossed, in the value and in the gradient');

# A node tells its value and gradient as soon as there are any, and no sooner.
my $terms = sub { opened("file://$folder/joins.html#step=$_[0]&node=$_[1]"); return [map { s/^\s+|\s+$//gr } @{ $browser->ask('(l => [...l.children].map(c => c.textContent))(document.querySelector("#details dl"))') }] };
my ($sum) = map { $_->{id} } grep { $_->{text} && $_->{name} eq 'z' } @{ decode_json(written('joins.json', $ebb, 'explain', @{ $graphs[0] }[1 .. $#{ $graphs[0] }], '--format', 'json'))->{nodes} };
my %details = map { my $step = $_; $step => { @{ $terms->($step, $sum) } } } 1, 3, 4;
check(!exists $details{1}{value} && ($details{3}{value} // '') eq '6.9093' && !exists $details{3}{gradient} && ($details{4}{gradient} // '') eq '1', 'a node tells what is known at the step');

# What a screen reader is told: the tree of roles and names.
sub tree { # [role, name, properties] of all that is not hidden
    my $nodes = $browser->call('Accessibility.getFullAXTree')->{nodes};
    return map { [$_->{role}{value}, $_->{name}{value} // '', { map { $_->{name} => $_->{value}{value} } @{ $_->{properties} // [] } }] } grep { !$_->{ignored} } @$nodes;
}
for my $name ('page', 'second', 'acted') {
    opened("file://$folder/$name.html#step=end");
    my @tree = tree();
    my @nameless = grep { $_->[0] =~ /^(?:button|slider|image|region|complementary|navigation|group|table)$/ && $_->[1] !~ /\S/ && !($_->[0] eq 'table') } @tree;
    check(!@nameless && (grep { $_->[0] eq 'slider' } @tree) == 1 && (grep { $_->[0] eq 'heading' } @tree) > 2, "$name: whatever is pressed or pictured has a name" . join '', map { ", but not a $_->[0]" } @nameless);
    check((grep { $_->[0] eq 'main' } @tree) && (grep { $_->[0] eq 'complementary' } @tree) && (grep { ($_->[2]{live} // '') eq 'polite' && $_->[2]{atomic} } @tree) > 0, "$name: landmarks, and the step is announced as a whole");
}
opened("file://$folder/page.html#step=end");
my @buttons = grep { $_->[0] eq 'button' && $_->[1] =~ /=/ } tree();
check(scalar(grep { $_->[1] =~ /^t3 = relu\(t2\): \[.*\]; gradient \[.*\]/ } @buttons), 'a node says its formula, value and gradient: ' . ($buttons[2][1] // 'none'));

# By keys alone, from the top: every stop of Tab is seen, and the graph is one of them.
opened("file://$folder/page.html#step=3");
my (%stops, @unseen);
for (1 .. 40) {
    $browser->key('Tab');
    my ($id, $outline) = @{ $browser->ask('(e => [e.id || e.tagName, getComputedStyle(e).outlineStyle + getComputedStyle(e).outlineWidth])(document.activeElement)') };
    last if $id eq 'BODY' || $stops{$id}++;
    push @unseen, $id if $outline !~ /^solid[1-9]/;
}
check(!@unseen && (grep { /^n\d+$/ } keys %stops) == 1 && !grep({ !$stops{$_} } qw(lang theme first back play next last scrub)), 'Tab: ' . join(' ', sort keys %stops) . (@unseen ? ", without a frame: @unseen" : ''));
$browser->key('Tab') until $browser->ask('/^n\\d/.test(document.activeElement.id)');
my $from = $browser->ask('document.activeElement.id');
$browser->key($_) for qw(ArrowDown ArrowDown ArrowUp ArrowDown);
my $to = $browser->ask('document.activeElement.id');
my $details = $browser->ask('document.getElementById("details").innerText');
$browser->key('Enter');
my ($step, $now) = @{ $browser->ask('[document.body.dataset.step, document.querySelector("[aria-current=step]").id]') };
check($from ne $to && $step > 3 && $now eq $to && $details =~ /\S/, "keys in the graph: from $from to $to, Enter goes to its step $step");
$browser->key(' ');
check($browser->ask('document.body.dataset.step') == $step, 'Space on a node is its own');
opened("file://$folder/page.html", still => 1);
$browser->key('ArrowRight');
check(!$browser->ask('document.querySelectorAll(".token").length'), 'nothing travels where motion is to be reduced');
opened("file://$folder/page.html");
$browser->key('ArrowRight');
check($browser->ask('document.querySelectorAll(".token").length') > 0, 'and where not, values travel');

# Every width: nothing runs out of the page, texts of the graph can be read, the step's node is in sight.
for my $size ([390, 844], [1280, 1000], [768, 1024], [1920, 1080]) {
    my ($width, $height) = @$size;
    for my $name ('page', 'acted') {
        opened("file://$folder/$name.html", width => $width, height => $height, phone => $width < 500, still => 1);
        my ($least, @out) = (99);
        while (1) {
            my $r = $browser->ask(q{(() => { const stage = document.getElementById('stage').getBoundingClientRect(), now = document.querySelector('#stage [aria-current]'), box = now && now.getBoundingClientRect();
                return { over: document.documentElement.scrollWidth - innerWidth, text: Math.min(99, ...[...document.querySelectorAll('#stage svg .node text')].filter(t => t.textContent).map(t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a)),
                    aside: [...document.querySelectorAll('#gradients, #facts, #calls')].filter(t => t.parentNode.scrollWidth > t.parentNode.clientWidth + 1).map(t => t.id),
                    seen: !box || box.left >= stage.left - 2 && box.right <= stage.right + 2 && box.top >= stage.top - 2 && box.bottom <= stage.bottom + 2, end: document.body.dataset.end }; })()});
            $least = $r->{text} if $r->{text} < $least;
            push @out, 'the page' if $r->{over} > 0;
            push @out, 'the node' unless $r->{seen};
            push @out, @{ $r->{aside} } if $name eq 'page' || $width > 1200;
            last if $r->{end};
            $browser->key('ArrowRight');
        }
        check(!@out && $least >= 10, "$name at $width×$height: texts of the graph at least " . sprintf('%.1f', $least) . ' px' . (@out ? ', out of sight: ' . join(' ', keys %{ { map { $_ => 1 } @out } }) : ''));
    }
}

# ---- dimensions ----

# The cells of tensors and of storages: an array of hashes of what their attributes say.
sub cells {
    my ($dom) = @_;
    my @cells;
    for my $tag ($dom =~ /<(?:td|span)\b[^>]*\bclass="cell[^>]*>[^<]*/g) {
        my %cell = (classes => $tag =~ /class="([^"]*)"/, text => $tag =~ />([^<]*)$/);
        $cell{$1} = $2 while $tag =~ /data-(\w+)="([^"]*)"/g;
        push @cells, \%cell;
    }
    return @cells;
}

# Everything that a step of the page shows against the JSON of the same step.
sub step_is_shown {
    my ($dom, $step, $what) = @_;
    my @cells = cells($dom);
    my $right = 1;
    for my $t (@{ $step->{inputs} }, @{ $step->{outputs} }) {
        my @of = grep { ($_->{tensor} // '') eq $t->{name} } @cells;
        $right &&= same([map { $_->{place} } @of], $t->{places}) && !grep { $_->{storage} != $t->{storage} } @of;
        $right &&= !grep { abs($of[$_]{text} - $t->{data}[$_]) > 5e-3 * abs $t->{data}[$_] } 0 .. $#of;
        my ($row) = $dom =~ /<tr data-name="\Q$t->{name}\E"[^>]*>(.*?)<\/tr>/s;
        my ($shape, $strides, $offset) = (join('×', @{ $t->{shape} }), join(', ', @{ $t->{strides} }), $t->{offset});
        $right &&= $row =~ m{<td>\(\Q$shape\E\)</td><td>\(\Q$strides\E\)</td><td>$offset</td>};
        my %read; # how often each cell is
        my @readers = grep { $_->{storage} == $t->{storage} } @{ $step->{outputs} };
        @readers = grep { $_->{storage} == $t->{storage} } @{ $step->{inputs} } unless @readers;
        $read{$_}++ for map { @{ $_->{places} } } @readers;
        my @strip = grep { !defined $_->{tensor} && $_->{storage} == $t->{storage} } @cells;
        $right &&= same([map { $_->{place} } @strip], [0 .. $t->{storage_elements} - 1]);
        $right &&= !grep { $_->{times} != ($read{ $_->{place} } // 0) || ($_->{classes} =~ /unread/ ? 1 : 0) == ($_->{times} ? 1 : 0) } @strip;
    }
    $right &&= index(unescaped($dom), $_->{formula}) >= 0 for @{ $step->{gives} };
    check($right, $what);
}

my @dims = (
    ['arange(24).view(2,3,4).permute(2,0,1)'],
    ['arange(6).view(2,3).t().reshape(6)'],
    ['x.expand(3, 4)[1:, ::2] + w', 'x=randn(3,1)', 'w=randn(2)'],
    ['a, b = split(arange(10.).view(2, 5), [2, 3], 1); cat([b, a], 1) @ v', 'v=[1,2,3,4,5]'],
);
for my $words (@dims) {
    my $steps = decode_json(written('dims.json', $ebb, 'dims', @$words, '--format', 'json'))->{expressions}[0]{steps};
    my $page = written('dims.html', $ebb, 'dims', @$words, '--format', 'html');
    check($page !~ m{(?:src|href)=|https?://(?!www\.w3\.org)}, "$words->[0]: nothing is fetched");
    step_is_shown(opened("file://$folder/dims.html#step=$_"), $steps->[$_], "$words->[0]: step $_ is shown as it is") for 0 .. $#$steps;
    my $dom = opened("file://$folder/dims.html#walk=1&lang=zh");
    check($dom =~ /data-end="1"/, "$words->[0]: walked to the end, in Chinese");
    speaks_chinese($dom, $words->[0]);
    step_is_shown($dom, $steps->[-1], "$words->[0]: and shown");
}

# A reader: pointing and keys, as a mouse and a keyboard send them.
sub marked { my ($dom) = @_; return join ' ', map { ($_->{tensor} // 'storage') . '.' . ($_->{element} // $_->{place}) } grep { $_->{classes} =~ /\bhit\b/ } cells($dom) }
for my $act (
    ['pointing at an element', sub { $browser->key('End'); $browser->point('[data-tensor="y"][data-element="1"]') }, 2, 'x.3 y.1 storage.3'],
    ['pointing at a cell', sub { $browser->key('End'); $browser->point('.strip [data-place="5"]') }, 2, 'x.5 y.5 storage.5'],
    ['keys between steps', sub { $browser->key($_) for qw(ArrowRight ArrowRight ArrowLeft) }, 1, ''],
    ['keys between cells', sub { $browser->key('End'); $browser->key('Tab') until $browser->ask('document.activeElement.dataset.tensor === "y"'); $browser->key($_) for qw(ArrowDown ArrowRight) }, 2, 'x.4 y.3 storage.4'],
    ['the list of calls', sub { $browser->ask('document.querySelectorAll("#calls button")[1].focus()'); $browser->key('Enter') }, 1, ''],
) {
    my ($what, $do, $step, $hit) = @$act;
    opened("file://$folder/acted.html");
    $do->();
    my $dom = $browser->dom;
    my $shown = marked($dom);
    check($dom =~ /data-step="$step"/ && $shown eq $hit, "$what: step $step, marked: $shown");
}

$may_fail = 1;
written('fails.html', $ebb, 'dims', 'arange(6).view(2, 3).t().view(6)', '--format', 'html', '--lang', 'zh');
$may_fail = 0;
my $dom = opened("file://$folder/fails.html#step=end");
check($dom =~ /data-step="3"/ && $dom =~ /无法合并/ && $dom =~ /\^\^\^\^/, 'a call that fails is the last step, with the reason');

written('companion.html', $ebb, 'dims', '--format', 'html');
my $lessons = decode_json(written('companion.json', $ebb, 'dims', '--format', 'json'))->{lessons};
for my $i (0 .. $#$lessons) {
    my $dom = opened("file://$folder/companion.html#walk=1&item=" . ($i + 1));
    my $last = $lessons->[$i]{expressions}[-1]{steps}[-1];
    check($dom =~ /data-end="1"/ && index($dom, $lessons->[$i]{text}) >= 0, "lesson @{[$i + 1]} is walked to its end");
    step_is_shown($dom, $last, "lesson @{[$i + 1]}: its last step is shown as it is");
}

written('large.html', $ebb, 'dims', 'arange(1000000).view(1000, 1000).t()[5:, 3::2]', '--format', 'html');
my @large = grep { ($_->{tensor} // '') eq 'y' } cells(opened("file://$folder/large.html#step=end"));
check(@large == 96 && $large[13]{place} == 3005 + 1 + 2000 && $large[13]{text} eq '5006', 'of a large view its first elements are shown, at their places');

# ---- large graphs ----

my $long = 'y = x' . join('', map { $_ % 2 ? '; y = sin(y) + x*y' : '; y = y*0.5 + x' } 1 .. 1700) . '; sum(y)';
written('long.html', $ebb, 'explain', $long, 'x=[0.3,0.5]', '--format', 'html');
for my $step (1, 'end') {
    my $dom = opened("file://$folder/long.html#step=$step");
    my $nodes = $browser->ask('Ebb.item.report.nodes.length');
    check($nodes > 5000 && $dom =~ /data-ready="1"/ && ($step eq 'end' ? $dom =~ /data-end="1"/ : $dom =~ /data-step="$step"/), "$nodes nodes: opens at step $step");
}
# ---- pictures, for eyes ----

if (defined $pictures) {
    mkdir $pictures;
    my @phone = (width => 390, height => 844, phone => 1);
    for my $picture (
        ['forward', 'page', 'step=7'], ['backward', 'page', 'step=18'], ['dark', 'page', 'step=end&theme=dark'], ['phone', 'page', 'step=18', @phone], ['chinese', 'page', 'step=18&lang=zh'],
        ['joins', 'joins', 'step=end'], ['chapter', 'chapter', 'item=1&step=7'], ['second', 'second', 'step=end'], ['second-phone', 'second', 'step=end', @phone],
        ['dims', 'dims', 'step=end'], ['dims-fails', 'fails', 'step=end'], ['dims-phone', 'fails', 'step=end&theme=dark', @phone], ['companion', 'companion', 'item=6&step=end'], ['long', 'long', 'step=end'],
    ) {
        my ($name, $page, $part, %how) = @$picture;
        opened("file://$folder/$page.html#$part", still => 1, %how);
        $browser->picture("$pictures/$name.png");
    }
}
exit $bad;
