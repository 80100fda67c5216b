#!/usr/bin/perl

# How short a history may be: the combination against the daily seasonal naive
# method at 24 hours, when each series is cut to its last days before the
# origins.  "A" and "B" are every other series: a rule that was chosen on one
# half has to hold on the other.
#
#   perl bench/short.pl [DAYS,...]      TRACES=folder, default ../shared/traces

use strict;
use warnings;

use FindBin;
use JSON::PP;

my $top = "$FindBin::Bin/..";
my $traces = $ENV{TRACES} || "$top/../shared/traces";
my @days = split /,/, $ARGV[0] || '1,1.5,2,3,5,7,10';
my @files = grep { !m{/(?:MANIFEST|fleet-\d+)\.csv$} }
            sort glob("$traces/*.csv");

if (!@files || grep { !/^\d+(?:\.\d+)?$/ } @days) {
    print STDERR "usage: [TRACES=folder] perl bench/short.pl [DAYS,...]\n";
    exit 2;
}

print "days  relMAE  median  worst A  worst B  above 1.05  the worst\n";

for my $days (@days) {
    open(my $in, '-|', "$top/build/shard-predictor", 'backtest', '--json',
         '--models', 'combined,naive-day', '--days', $days, @files)
        or die "shard-predictor: $!\n";
    my $all = decode_json(do { local $/; <$in> });
    close $in;

    my (@found, @half);
    my $i = 0;

    for my $file (@{ $all->{files} }) {
        my $one = $file->{models}{combined}{'24h'};
        $i++;
        next if !$one || !defined $one->{relMAE};
        push @found, [ $one->{relMAE}, $file->{series} ];
        push @{ $half[$i % 2] }, $one->{relMAE};
    }

    next if !@found;
    @found = sort { $b->[0] <=> $a->[0] } @found;
    @half = map { [ sort { $b <=> $a } @{ $_ || [ 0 ] } ] } @half[1, 0];
    my $sum = 0;
    $sum += log($_->[0] > 1e-3 ? $_->[0] : 1e-3) for @found;

    printf "%4s  %6.3f  %6.3f  %7.3f  %7.3f  %10d  %s\n", $days,
           exp($sum / @found), $found[@found / 2][0], $half[0][0],
           $half[1][0], scalar(grep { $_->[0] > 1.05 } @found), $found[0][1];
}
