#!/usr/bin/env perl
# Check that what a document links to is there: files, and headings in them, by the rules by which GitHub and the site name
# them. And that a page in two languages has the same headings' number and the same programs in both. No network is used.
use strict;
use warnings;
use utf8;
use open qw(:std :encoding(UTF-8));
use Cwd qw(abs_path);
use File::Basename qw(dirname);

chdir dirname(abs_path($0)) . '/..' or die "links: $!\n";
my @documents = map { utf8::decode($_); $_ } glob('*.md docs/*.md docs/*/*.md');
my (%text, %anchors, @problems, $links);

sub read_document { # (its prose, without code; its headings; its programs in C)
    my ($path) = @_;
    open my $in, '<', $path or die "links: $path: $!\n";
    my ($prose, $fence, $lang, @headings, @programs) = ('', '', '');
    while (<$in>) {
        if (/^\s*(`{3,})(\w*)/ && ($fence eq '' || $1 eq $fence)) {
            ($fence, $lang) = $fence eq '' ? ($1, $2) : ('', '');
            push @programs, '' if $lang eq 'c';
            next;
        }
        if ($fence) { $programs[-1] .= $_ if $lang eq 'c'; next }
        push @headings, $1 if /^#+\s+(.*?)\s*#*$/;
        $prose .= $_;
    }
    return {prose => $prose =~ s/`[^`\n]*`//gr =~ s/<!--.*?-->//gsr, headings => \@headings, programs => \@programs};
}

sub anchor { # "The life of one `call`!" is #the-life-of-one-call
    my ($heading) = @_;
    $heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
    $heading =~ s/[^\w\- ]//g;
    return lc($heading) =~ s/ /-/gr;
}

sub plain_path { # a/../b is b
    my ($path) = @_;
    1 while $path =~ s{(^|/)(?!\.\./)[^/]+/\.\./}{$1};
    return $path =~ s{^\./|/\./|//}{/}gr =~ s{^/}{}r;
}

for my $document (@documents) {
    my $of = $text{$document} = read_document($document);
    my %seen;
    for my $heading (@{$of->{headings}}) {
        my $anchor = anchor($heading);
        my $n = $seen{$anchor}++;
        $anchors{$document}{$n ? "$anchor-$n" : $anchor} = 1;
    }
    $anchors{$document}{$_} = 1 for $of->{prose} =~ /<a (?:id|name)="([^"]+)"/g;
}

for my $document (@documents) {
    for my $target ($text{$document}{prose} =~ /\]\(([^)\s]+)\)/g) {
        next if $target =~ /^[a-z]+:/;
        $links++;
        my ($file, $anchor) = split /#/, $target, 2;
        my $path = length $file ? plain_path(dirname($document) eq '.' ? $file : dirname($document) . "/$file") : $document;
        if (!-e $path) { push @problems, "$document: there is no $target\n" }
        elsif (defined $anchor && $path =~ /\.md$/ && !$anchors{$path}{$anchor}) { push @problems, "$document: $path has no #$anchor\n" }
    }
    my $english = $document =~ s/\.zh-CN\.md$/.md/r;
    next if $english eq $document;
    my ($zh, $en) = map { $text{$_} } $document, $english;
    if (!$en) { push @problems, "$document: there is no $english\n"; next }
    push @problems, "$document: has ${\scalar @{$zh->{headings}}} headings, $english ${\scalar @{$en->{headings}}}\n"
        if @{$zh->{headings}} != @{$en->{headings}};
    push @problems, "$document: its programs are not those of $english\n" if "@{$zh->{programs}}" ne "@{$en->{programs}}";
}
print @problems;
exit 1 if @problems;
print "links: $links in ${\scalar @documents} documents\n";
