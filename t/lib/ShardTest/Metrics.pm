package ShardTest;

# Prometheus' text, read strictly; the time of nginx's workers; tables larger
# than the commit function takes.

use warnings;
use strict;

use JSON::PP;


# { series => value }, in which a series is 'name{label="value",...}' with its
# labels sorted; and what is wrong with the text, as a list

sub parse_metrics {
    my ($text) = @_;

    my (%value, %type, %help, @bad, $family);
    my %done;
    my $name = qr/[a-zA-Z_:][a-zA-Z0-9_:]*/;
    my $label = qr/[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"/;

    push @bad, 'no newline at the end' if $text !~ /\n\z/;

    for my $line (split /\n/, $text) {
        if ($line =~ /^# HELP ($name) (.+)$/) {
            push @bad, "HELP twice: $line" if $help{$1}++;
            next;
        }

        if ($line =~ /^# TYPE ($name) (counter|gauge|histogram|summary)$/) {
            push @bad, "TYPE twice: $line" if $type{$1};
            push @bad, "TYPE without HELP: $line" if !$help{$1};
            $done{$family} = 1 if defined $family;
            $type{$family = $1} = $2;
            next;
        }

        if ($line !~ /^($name)(?:\{($label(?:,$label)*)\})? (-?[0-9.]+(?:e[+-]?\d+)?|\+Inf|NaN)$/) {
            push @bad, "no sample: $line";
            next;
        }

        my ($series, $labels, $value) = ($1, $2, $3);
        my $of = $series;

        $of =~ s/_(bucket|sum|count)$// if !$type{$of};
        push @bad, "of no family: $line" if !$type{$of};
        push @bad, "out of its family's group: $line" if $of ne ($family || '');
        push @bad, "a counter without _total: $line"
            if ($type{$of} || '') eq 'counter' && $of !~ /_total$/;

        my @labels = defined $labels ? sort $labels =~ /$label/g : ();
        my $key = $series . '{' . join(',', @labels) . '}';

        push @bad, "series twice: $line" if exists $value{$key};
        $value{$key} = $value;
    }

    push @bad, histogram_problems(\%value);

    return (\%value, @bad);
}


# buckets ascend and end in +Inf, which is the count

sub histogram_problems {
    my ($value) = @_;

    my (%bucket, @bad);

    for my $key (keys %$value) {
        my ($name, $labels) = $key =~ /^(.*)_bucket\{(.*)\}$/ or next;
        $labels =~ s/,?le="([^"]*)"//;
        $bucket{"$name\{$labels}"}{$1} = $value->{$key};
    }

    for my $histogram (keys %bucket) {
        my $of = $bucket{$histogram};
        my ($name, $labels) = $histogram =~ /^(.*?)(\{.*)/;
        my $last = 0;

        for my $le (sort { ($a eq '+Inf') <=> ($b eq '+Inf') || $a <=> $b } keys %$of) {
            push @bad, "$histogram: bucket $le is smaller than the one before"
                if $of->{$le} < $last;
            $last = $of->{$le};
        }

        push @bad, "$histogram has no +Inf" if !exists $of->{'+Inf'};
        push @bad, "$histogram: no sum" if !exists $value->{"${name}_sum$labels"};
        push @bad, "$histogram: count is not +Inf's"
            if ($value->{"${name}_count$labels"} // -1) != $last;
    }

    return @bad;
}


sub metrics {
    my ($self, $args) = @_;

    my $text = $self->get('/metrics' . ($args || ''))->{content};
    my ($value, @bad) = parse_metrics($text);

    die "metrics: $bad[0]\n" if @bad;
    return $value;
}


# of all series of that name

sub metric_sum {
    my ($self, $name) = @_;

    my $text = $self->get('/metrics')->{content};
    my $sum = 0;

    $sum += $1 while $text =~ /^$name\{[^}]*\} (\d+)/mg;
    return $sum;
}


# seconds of CPU that nginx's workers have had

sub worker_seconds {
    my ($self) = @_;

    my $ns = 0;

    for my $pid ($self->process('nginx')->children()) {
        $ns += (split ' ', slurp("/proc/$pid/schedstat"))[0];
    }

    return $ns / 1e9;
}


# KB of the fullest worker's own memory, without what is shared

sub worker_memory {
    my ($self) = @_;

    my ($max) = sort { $b <=> $a } map {
        slurp("/proc/$_/status") =~ /^RssAnon:\s+(\d+)/m ? $1 : 0
    } $self->process('nginx')->children();

    return $max;
}


1;
