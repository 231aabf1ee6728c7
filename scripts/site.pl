#!/usr/bin/env perl
# Build the site of the documents in both languages: site.pl FOLDER. The pages are the Markdown files of the tree, as they
# are read there too; here they get a navigation (the lists of docs/README.md), the reference of the C interface
# (scripts/api.pl), pages that show the sources they link to, mathematics (KaTeX, as the system has it), and a search.
# Nothing is fetched from the network, nor by the pages.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Cwd qw(abs_path);
use Encode qw(decode encode);
use File::Basename qw(basename dirname);
use File::Copy qw(copy);
use File::Find qw(find);
use File::Path qw(make_path remove_tree);
use File::Spec::Functions qw(abs2rel rel2abs);
use JSON::PP qw(decode_json encode_json);

@ARGV == 1 or die "usage: site.pl FOLDER\n";
my $site = rel2abs($ARGV[0]);
chdir dirname(abs_path($0)) . '/..' or die "site: $!\n";
my $katex = '/usr/share/javascript/katex';
-e "$katex/katex.min.js" or die "site: libjs-katex is not installed\n";
my $stage = "$site.pages";
remove_tree($stage, $site);

# ---- which pages there are: source => page, by language ----

my %folder = (en => '', zh => 'zh/');
my @documents = grep { !/docs\/README/ } map { utf8::decode($_); $_ } glob('*.md docs/*.md docs/*/*.md');
my %pages = (en => {}, zh => {});
for my $path (@documents) {
    my $language = $path =~ /\.zh-CN\.md$/ ? 'zh' : 'en';
    my $page = $path =~ s/\.zh-CN\.md$/.md/r;
    $page = $page =~ m{^docs/(.*)} ? $1 : $page eq 'README.md' ? 'index.md' : 'project/' . lc $page;
    $pages{$language}{$path} = $page;
}
my $root = 'https://root/'; # stands for the way from a page to the site's first folder
my %shown; # sources that pages link to: path => page

sub slurp {
    my ($path) = @_;
    open my $in, '<', $path or die "site: $path: $!\n";
    local $/;
    return <$in>;
}

sub spew {
    my ($path, $text) = @_;
    make_path(dirname($path));
    open my $out, '>', $path or die "site: $path: $!\n";
    print $out $text;
    close $out or die "site: $path: $!\n";
}

sub plain_path { # a/../b is b
    my ($path) = @_;
    1 while $path =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
    return $path =~ s{^\./|/\./|//}{/}gr =~ s{^/}{}r =~ s{/$}{}r;
}

# Where a link of a page leads: to a page of the same language, of the other one, to a source, or a picture.
sub link_from {
    my ($language, $source, $page, $target) = @_;
    return $target if $target =~ /^[a-z]+:|^#/;
    my ($file, $anchor) = $target =~ /^([^#]*)(#.*)?$/;
    my $path = plain_path(dirname($source) eq '.' ? $file : dirname($source) . "/$file");
    $anchor //= '';
    $path = 'include/ebb' if $path eq 'docs/api';
    my $to = $pages{$language}{$path};
    return relative($page, $to) . $anchor if defined $to;
    if ($path =~ m{^docs/(.*\.(?:svg|png))$}) {
        make_path(dirname("$stage/$language/$1"));
        copy($path, "$stage/$language/$1");
        return relative($page, $1);
    }
    my ($other) = grep { defined $pages{$_}{$path} } keys %pages;
    $other //= 'en';
    $to = $pages{$other}{$path};
    $to //= $path =~ m{^include/ebb/(\w+)\.h$} ? "api/$1.md" : $path eq 'include/ebb' ? 'api/index.md' : ($shown{$path} //= "source/$path.md");
    return relative($page, $to) . $anchor if $other eq $language;
    return relative("$folder{$language}$page", $folder{$other} . $to) =~ s/\.md$/.html/r . $anchor;
}

sub relative { my ($from, $to) = @_; return abs2rel("/$to", '/' . dirname($from)) }

sub link_text { # what leads to the other language is not the generator's to check
    my ($text, $to) = @_;
    return "[$text]($to)" if $to !~ /\.html(?:#|$)/ || $to =~ /^[a-z]+:/;
    return "<a href=\"$to\">" . ($text =~ s{`([^`]*)`}{<code>$1</code>}gr) . '</a>';
}

sub stage_page {
    my ($language, $source, $page) = @_;
    my $text = '';
    my $fence = '';
    for my $line (split /^/, slurp($source)) {
        if ($line =~ /^\s*(`{3,})/ && ($fence eq '' || $1 eq $fence)) { $fence = $fence eq '' ? $1 : '' }
        elsif (!$fence) {
            next if $line =~ /^<!--.*-->$/;
            $line =~ s/(!?)\[([^\[\]]*)\]\(([^)\s]+)\)/$1 . link_text($2, link_from($language, $source, $page, $3))/ge;
            # A list may begin right behind a line of text on other sites; here it needs an empty line.
            $text .= "\n" if $line =~ /^(?:[-*]|\d+\.) / && $text =~ /[^\n]\n\z/ && $text !~ /(?:^|\n)(?:[-*]|\d+\.| ) *[^\n]*\n\z/;
            # Between Chinese characters the end of a line is no space.
            $text =~ s/([\x{3000}-\x{9fff}\x{ff00}-\x{ffef}”])\n\z/$1/ if $line =~ /^[\x{3001}-\x{9fff}\x{ff00}-\x{ffef}“]/;
        }
        $text .= $line;
    }
    spew("$stage/$language/$page", $text);
}

sub stage_source {
    my ($path, $page) = @_;
    if (-d $path) {
        my @files = grep { -f } map { utf8::decode($_); $_ } glob("$path/*");
        my @links = map { '- [' . basename($_) . '](' . relative($page, $pages{en}{$_} // ($shown{$_} //= "source/$_.md")) . ')' } @files;
        return spew("$stage/en/$page", "# $path\n\n" . join("\n", @links) . "\n");
    }
    my ($language) = $path =~ /\.([a-z]+)$/;
    my %called = (h => 'c', pl => 'perl', sh => 'bash', txt => 'cmake');
    spew("$stage/en/$page", "# $path\n\n````" . ($called{$language // ''} // $language // '') . "\n" . slurp($path) . "````\n");
}

# ---- navigation: the sections and lists of docs/README.md ----

sub navigation {
    my ($language) = @_;
    my $source = $language eq 'en' ? 'docs/README.md' : 'docs/README.zh-CN.md';
    my @lines = ('- ' . ($language eq 'en' ? 'Welcome' : '欢迎') . ': index.md');
    for (split /\n/, slurp($source)) {
        if (/^## (.*)/) { push @lines, "- \"$1\":" }
        elsif (/^( *)- \[(.*?)\]\(([^)]+)\)/) {
            my ($indent, $title, $to) = ("    $1", $2 =~ s/`//gr, link_from($language, $source, 'index.md', $3));
            $to =~ s{^\.\./}{$root}; # the generator takes no path out of its own folder
            push @lines, "$indent- \"$title\": $to";
            next unless $to eq 'api/index.md'; # the headers below it
            $lines[-1] = "$indent- \"$title\":";
            push @lines, map { "$indent    $_" } '- "All of it": api/index.md', split /\n/, slurp("$stage/en/api/nav");
        }
    }
    return join '', "nav:\n", map { "  $_\n" } @lines;
}

sub configuration {
    my ($language) = @_;
    my $text = slurp('docs/site/mkdocs.yml');
    if ($language eq 'zh') {
        $text =~ s/language: en/language: zh/;
        $text =~ s/Automatic differentiation in C/用 C 写的自动微分/;
        $text =~ s/name: dark/name: 深色/;
        $text =~ s/name: light/name: 浅色/;
    }
    spew("$stage/$language.yml", "$text\ndocs_dir: $language\nsite_dir: $site" . ($language eq 'zh' ? '/zh' : '') . "\n" . navigation($language));
}

# ---- main ----

for my $language (qw(en zh)) {
    stage_page($language, $_, $pages{$language}{$_}) for sort keys %{$pages{$language}};
    my $assets = "$stage/$language/assets";
    make_path("$assets/katex/fonts");
    copy("docs/site/$_", "$assets/$_") or die "site: $_: $!\n" for qw(style.css math.js);
    copy("$katex/$_", "$assets/katex/$_") or die "site: $_: $!\n" for qw(katex.min.js katex.min.css);
    copy($_, "$assets/katex/fonts/" . basename($_)) or die "site: $_: $!\n" for glob("$katex/fonts/*.woff2");
}
system('scripts/api.pl', '--write', "$stage/en/api") == 0 or die "site: no reference of the C interface\n";
configuration($_) for qw(en zh);
my %done;
while (my ($path) = grep { !$done{$_} } sort keys %shown) {
    $done{$path} = 1;
    stage_source($path, $shown{$path});
}
for my $language (qw(en zh)) {
    my $said = `mkdocs build -f '$stage/$language.yml' 2>&1`;
    my @warnings = grep { /WARNING|ERROR/ } split /\n/, $said;
    die "site: mkdocs fails\n$said" if $? || @warnings;
}
copy('docs/site/lunr.zh.js', "$site/zh/assets/javascripts/lunr/min/lunr.zh.min.js") or die "site: $!\n";
for my $language (qw(en zh)) { # without the pages of sources, which would hide what is written about them
    my $path = "$site/$folder{$language}search/search_index.json";
    my $index = decode_json(encode('UTF-8', slurp($path)));
    $index->{docs} = [grep { $_->{location} !~ m{^source/} } @{$index->{docs}}];
    $index->{config}{lang} = [$language];
    @{$index->{docs}} or die "site: the index of the search is not as expected\n";
    spew($path, decode('UTF-8', encode_json($index)));
}

# ---- every link of the site leads somewhere, inside of it ----

my (%ids, @html, @problems);
find({no_chdir => 1, wanted => sub { push @html, $File::Find::name if /\.html$/ }}, $site);
my %html;
# Who searches in Chinese writes a sentence without spaces, which stands so on no page: pairs of its characters are looked for too.
my $asked = q{<script>var __search={transform:function(q){return q.replace(/["*+:^~-]/g," ").replace(/[\u3400-\u9fff]{4,}/g,function(run){return run+run.replace(/.(?=(.))/g,function(c,d){return " "+c+d}).slice(0,-1)}).trim()}}</script>};
for my $page (@html) {
    my $text = slurp($page);
    $text =~ s{(?=<script src="[^"]*/bundle\.)}{$asked} if $page =~ m{^\Q$site\E/zh/};
    my $up = abs2rel($site, dirname($page)) . '/';
    $text =~ s/\Q$root\E/$up/g;
    spew($page, $text);
    $html{$page} = $text;
}
for my $page (keys %html) { $ids{$page}{$_} = 1 for $html{$page} =~ /\b(?:id|name)="?([^\s">]+)/g }
my $links = 0;
for my $page (sort keys %html) {
    my $base = basename($page) eq '404.html' ? next : dirname($page);
    for my $target ($html{$page} =~ /<(?:a|link|script|img)\b[^>]*?\b(?:href|src)="?([^\s">]+)/g) {
        next if $target =~ m{^(?:https?:|mailto:|data:|javascript:)};
        $links++;
        my ($file, $anchor) = map { s/%([0-9A-Fa-f]{2})/chr hex $1/ger } split /#/, $target, 2;
        utf8::decode($anchor) if defined $anchor;
        my $path = length($file // '') ? '/' . plain_path("$base/$file") : $page;
        if (!-e $path) { push @problems, "$page: there is no $target\n" }
        elsif (length($anchor // '') && $anchor ne '__skip' && $html{$path} && !$ids{$path}{$anchor}) { push @problems, "$page: no heading $target\n" }
    }
    push @problems, map { "$page: fetches $_\n" } grep { !m{^https?://(?:squidfunk|www\.mkdocs)} } $html{$page} =~ /<(?:link|script|img)\b[^>]*?\b(?:href|src)="?(https?:[^\s">]+)/g;
}
die @problems if @problems;
print "site: ${\scalar @html} pages, $links links, in $ARGV[0]/index.html\n";
