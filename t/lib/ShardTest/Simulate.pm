package ShardTest::Simulate;

# Fleets, scenarios and "shard-predictor simulate", in a temporary folder.

use warnings;
use strict;

use Exporter qw/ import /;
use JSON::PP;
use List::Util qw/ max /;
use Test::More;

use ShardTest::Predictor;

our @EXPORT = qw/ $start $step simulate fleet rhythmic figures slurp /;

our $start = 1704067200;
our $step = 300;


# the JSON of a run that goes well

sub simulate {
    my ($scenario, @args) = @_;

    my ($status, $out, $err) = run('simulate', $scenario, '--json', @args);
    my $name = $scenario =~ s/.*\///r;
    is($status, 0, "$name: exit status") or diag($err);
    is($err, '', "$name: nothing to complain about");

    return eval { decode_json($out) } || {};
}


# rows of values, one for each shard

sub fleet {
    my ($path, $names, @rows) = @_;

    put($path, join(',', 'epoch', @$names) . "\n",
        map { join(',', $start + $_ * $step,
                   map { sprintf '%.6g', $_ } @{ $rows[$_] }) . "\n" }
        0 .. $#rows);
}


# shards with a day, of very different sizes and in four time zones

sub rhythmic {
    my ($path, $shards, $days) = @_;

    fleet($path, [map { "s$_" } 0 .. $shards - 1],
          map { my $t = $_;
                [map { max(0, rhythm($t + 72 * ($_ % 4), 288,
                                     40 / (1 + $_) ** 0.8)
                              * (1 + 0.1 * noise())) } 0 .. $shards - 1] }
          0 .. $days * 288 - 1);
}


# what it took is no figure that comes out the same twice

sub figures {
    my ($json) = @_;

    my $copy = decode_json(JSON::PP->new->encode($json));

    for my $figures (map { ($_, $_->{tuned} || ()) }
                     values %{ $copy->{policies} })
    {
        delete @{$figures}{qw/ plan_ms plan_max_ms /};
    }

    return JSON::PP->new->canonical->encode($copy);
}


sub slurp {
    my ($path) = @_;

    open(my $in, '<', $path) or return "no $path";
    local $/;
    return <$in> // '';
}


1;
