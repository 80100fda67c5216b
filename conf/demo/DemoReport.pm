package DemoReport;

# Two replays of the same day compared: table, report.json, report.png.

use warnings;
use strict;

use JSON::PP;
use List::Util qw/ sum min max /;

use DemoTrace;
use ShardTest;

use constant {
    GAP => 6,                   # steps below capacity that end an overload
    LABELS => 32,               # more of them could not be read
};


# observe, act: two DemoRuns; trace; dir

sub new {
    my ($class, %args) = @_;

    my $self = bless { %args }, $class;
    $self->figures();
    return $self;
}


sub quantile {
    my ($q, @values) = @_;

    return undef if !@values;
    @values = sort { $a <=> $b } @values;
    return $values[ min($#values, int($q * @values)) ];
}


# spans of overload of a node in the run without moves: [first, last] epochs

sub overloads {
    my ($self, $node) = @_;

    my (@spans, $last);

    for my $i (0 .. $#{ $self->{observe}{steps} }) {
        my $step = $self->{observe}{steps}[$i];
        next if $step->{use}{$node} <= 1;

        if (@spans && $i - $last <= GAP) {
            $spans[-1][1] = $step->{epoch};

        } else {
            push @spans, [ $step->{epoch}, $step->{epoch} ];
        }

        $last = $i;
    }

    return @spans;
}


# Trace seconds from a moment to the next overload its node has when nothing
# is moved; negative: it has lasted so long already; undef: none comes.

sub lead {
    my ($self, $node, $epoch) = @_;

    for my $span ($self->overloads($node)) {
        return $span->[0] - $epoch if $epoch <= $span->[1];
    }

    return undef;
}


sub figures {
    my ($self) = @_;

    my ($observe, $act) = @$self{qw/ observe act /};
    my @decisions = values %{ $act->{decisions} || {} };
    my @migrations = values %{ $act->{migrations} || {} };

    my @leads = grep { defined } map {
        $self->lead($_->{from}, $act->trace_epoch($_->{decided_ms}))
    } @decisions;

    # the whole move ended before the overload began

    my @ahead = grep {
        my $lead = $self->lead($_->{from}, $act->trace_epoch($_->{commit_ms}));
        defined $lead && $lead > 0;
    } @{ $act->{moves} };

    my $both = sub {
        my ($field) = @_;
        return $observe->{load}{$field} + $act->{load}{$field};
    };

    my $held = $act->{load}{held};
    my @holds = map { $_->{hold_ms} } grep { $_->{hold_ms} } @{ $act->{moves} };

    $self->{report} = {
        requests => $both->('requests'),
        failed => $both->('failed') + $both->('unverified')
                  + $both->('stale_reads'),
        lost_writes => $both->('lost_writes'),
        reordered => $both->('reordered'),
        decisions => scalar @decisions,
        migrations_done => scalar @{ $act->{moves} },
        migrations_failed => scalar(grep { $_->{phase} =~ /^roll/ }
                                    @migrations),
        migrations_ahead => scalar @ahead,
        overload_seconds_observe => $observe->{overload_seconds} || 0,
        overload_seconds_act => $act->{overload_seconds} || 0,
        overload_seconds_unavoidable => $act->{unavoidable_seconds} || 0,
        p99_ms_observe => $observe->{load}{latency}{p99_ms},
        p99_ms_act => $act->{load}{latency}{p99_ms},
        hold_p99_ms => $held->{count} ? $held->{p99_ms}
                                      : quantile(0.99, @holds) || 0,
        hold_max_ms => max(0, @holds),
        held_requests => $held->{count},
        lead_seconds_median => quantile(0.5, @leads),
        table_propagation_p99_ms =>
            quantile(0.99, @{ $observe->{propagation} },
                     @{ $act->{propagation} }),
        table_propagation_samples => @{ $observe->{propagation} }
                                     + @{ $act->{propagation} },
        trace => $self->{trace}{name},
        day => $act->{day}, scale => $act->{scale}, seed => $act->{seed},
        speed => $act->{speed},
        capacity => $self->{trace}{capacity} * $act->{scale},
        moves => [ map { $self->move($_) } @{ $act->{moves} } ],
        failures => [ @{ $observe->{load}{notes} }, @{ $act->{load}{notes} } ],
    };

    $_ = defined $_ ? int($_ * 1000 + 0.5) / 1000 : undef
        for @{ $self->{report} }{ grep { /_ms|lead/ }
                                  keys %{ $self->{report} } };
}


sub move {
    my ($self, $m) = @_;

    my $act = $self->{act};

    return {
        shard => $m->{shard} + 0, from => $m->{from}, to => $m->{to},
        committed => int($act->trace_epoch($m->{commit_ms})),
        took_ms => ($m->{commit_ms} - $m->{created_ms}) + 0,
        hold_ms => ($m->{hold_ms} || 0) + 0,
    };
}


# why it is no success; empty when it is one

sub complaints {
    my ($self) = @_;

    my $r = $self->{report};
    my @bad;

    for my $field (qw/ failed lost_writes reordered /) {
        push @bad, "$field is $r->{$field}" if $r->{$field};
    }

    push @bad, 'no shard was moved ahead of an overload'
        if !$r->{migrations_ahead};
    push @bad, "overload was not reduced"
        if $r->{overload_seconds_act} >= $r->{overload_seconds_observe};

    return @bad;
}


sub write_json {
    my ($self, $path) = @_;

    spew($path, JSON::PP->new()->canonical()->pretty()->encode($self->{report}));
}


sub table {
    my ($self) = @_;

    my $r = $self->{report};
    my ($observe, $act) = @$self{qw/ observe act /};
    my $row = sub { sprintf "  %-46s %12s %12s\n", @_ };
    my $one = sub { sprintf "  %-46s %25s\n", @_ };
    my $ms = sub { defined $_[0] ? sprintf('%.1f ms', $_[0]) : '-' };

    my $text = $row->('', 'observe', 'act');

    for my $field ([ 'requests sent', 'requests' ], [ 'failed', 'failed' ],
                   [ 'acknowledged writes lost', 'lost_writes' ],
                   [ 'ordered writes out of order', 'reordered' ])
    {
        $text .= $row->($field->[0], map { $_->{load}{ $field->[1] } }
                                     $observe, $act);
    }

    $text .= $row->('node-seconds above capacity (trace time)',
                    map { sprintf '%d s', $r->{"overload_seconds_$_"} }
                    qw/ observe act /);
    $text .= $one->('  of which no move can help: a shard above a node',
                    "$r->{overload_seconds_unavoidable} s")
        if $r->{overload_seconds_unavoidable};
    $text .= $row->('99 % of requests answered within',
                    map { $ms->($r->{"p99_ms_$_"}) } qw/ observe act /);
    $text .= $one->('moves decided / done / taken back',
                    "$r->{decisions} / $r->{migrations_done} / "
                    . $r->{migrations_failed});
    $text .= $one->('moves ended before the overload they avoid',
                    $r->{migrations_ahead});
    $text .= $one->('decided before that overload, median',
                    defined $r->{lead_seconds_median}
                    ? sprintf('%.0f min', $r->{lead_seconds_median} / 60)
                    : '-');
    $text .= $one->('99 % of held requests waited at most',
                    $ms->($r->{hold_p99_ms}));
    $text .= $one->('a table change reached the router within (99 %)',
                    $ms->($r->{table_propagation_p99_ms}));

    return $text;
}


# utilisation of each node over the day, both runs one above the other

sub picture {
    my ($self, $path) = @_;

    my $dir = $self->{dir};
    my @nodes = sort keys %{ $self->{act}{steps}[0]{use} };
    my $top = 10 * (1 + int(max(map { 100 * max(values %{ $_->{use} }) }
                                @{ $self->{observe}{steps} },
                                @{ $self->{act}{steps} }) / 10)) + 10;

    for my $mode (qw/ observe act /) {
        spew("$dir/$mode.dat", join '', map {
            my $step = $_;
            join(' ', $step->{epoch}, map { 100 * $step->{use}{$_} } @nodes)
                . "\n";
        } @{ $self->{$mode}{steps} });
    }

    my $start = $self->{act}{epoch};
    my $end = $start + 86400;
    my @colors = map { "#$_" }
                 qw/ 0072b2 e69f00 009e73 cc79a7 56b4e9 d55e00 /;
    my $marks = '';

    my @moves = grep { $_->{committed} >= $start && $_->{committed} <= $end }
                @{ $self->{report}{moves} };

    for my $m (@moves) {
        $marks .= "set arrow from $m->{committed}, graph 0 "
                . "to $m->{committed}, graph 1 nohead lw 1 dt 2 "
                . "lc rgb '#888888'\n";

        next if @moves > LABELS;

        $marks .= "set label \"$m->{shard}: $m->{from}→$m->{to}\" at "
                . "$m->{committed}, graph 0.02 rotate left "
                . "font ',10' tc rgb '#444444' offset 0.8, 0\n";
    }

    my $plot = sub {
        my ($mode) = @_;
        return 'plot ' . join(', ', "100 lw 2 lc rgb '#cc0000' "
                                    . "title 'capacity'",
            map { "'$dir/$mode.dat' using 1:" . ($_ + 2)
                  . " with lines lw 2 lc rgb '$colors[$_ % @colors]' "
                  . "title '$nodes[$_]'" } 0 .. $#nodes) . "\n";
    };

    my $r = $self->{report};

    spew("$dir/report.gp", <<"PLOT");
set encoding utf8
set terminal pngcairo size 1400,1000 font 'DejaVu Sans,12'
set output '$path'
set multiplot layout 2,1 title "Load of the nodes on day $r->{day} of the trace" noenhanced font ',15'
set xdata time
set timefmt '%s'
set format x '%H:%M'
set xrange ['$start':'$end']
set xtics $start, 7200
set yrange [0:$top]
set ytics 20
set grid
set xlabel 'time of day in the trace (UTC)'
set ylabel 'offered load, % of a node''s capacity'
set key outside right top
set title 'observe: nothing is moved ($r->{overload_seconds_observe} node-seconds above capacity)'
${\ $plot->('observe') }
set title 'act: shards are moved before the peak ($r->{overload_seconds_act} node-seconds above capacity); dashed: the commit of a move'
$marks
${\ $plot->('act') }
unset multiplot
PLOT

    my ($status, undef, $err) = $self->{act}{t}->run('gnuplot',
                                                     "$dir/report.gp");
    die "demo: gnuplot: $err\n" if $status;
}


1;
