package ShardTest::Ledger;

# Accounts that a test keeps beside the load generator's, and the one of
# queues: a producer and a consumer of each.

use warnings;
use strict;

use Exporter qw/ import /;
use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use POSIX ();

use ShardTest;

our @EXPORT = qw/ start_ledger ledger_ends start_consumers request /;

my $stop;


# the code runs in a process of its own until ledger_ends(); what it returns is
# what the returned sub does, which ends it

sub start_ledger {
    my ($t, $code) = @_;

    my $report = $t->dir() . '/ledger.json';
    my $pid = fork();

    die "fork: $!" if !defined $pid;

    if ($pid == 0) {
        $SIG{TERM} = sub { $stop = 1 };
        my $got = eval { $code->($t) } || { failed => [ "died: $@" ] };
        spew($report, encode_json($got));
        POSIX::_exit(0);
    }

    return sub {
        kill 'TERM', $pid;
        waitpid $pid, 0;
        return decode_json(slurp($report));
    };
}


sub ledger_ends { return $stop }


sub start_consumers {
    my ($t) = @_;

    return start_ledger($t, \&consume);
}


sub request {
    my ($t, $http, $method, $path, $key, $content) = @_;

    return $http->request($method, $t->url($path), {
        headers => { 'X-Key' => $key },
        defined $content ? (content => $content) : () });
}


# a producer and the consumer of each of some queues: what is delivered must
# be the next message, and nothing else

sub consume {
    my ($t) = @_;

    my $http = HTTP::Tiny->new(timeout => 15);
    my @keys = map { "consumed$_" } 1 .. 12;
    my (%sent, %taken, @failed);
    my $delivered = 0;
    my $rest = 0;

    while (!$stop || $rest++ < 2) {
        for my $key (@keys) {
            if (!$stop) {
                my $got = request($t, $http, 'POST', "/queue/$key", $key,
                                  "$key:" . ($sent{$key} || 0));
                my $n = eval { decode_json($got->{content})->{n} } || 0;

                push @failed, "append to $key: $got->{status} $got->{content}"
                    if $n != ++$sent{$key};
            }

            my $got = request($t, $http, 'GET', "/queue/$key?limit=50", $key);

            next if $got->{status} == 423;          # held at the backend
            push @failed, "GET $key: $got->{status}" if $got->{status} != 200;

            my $last = 0;

            for my $line (split /\n/, $got->{content}) {
                my $e = decode_json($line);
                my $want = $taken{$key} || 0;

                $delivered++;
                $last = $e->{n};
                push @failed, "$key: delivered $e->{n}, not " . ($want + 1)
                    if $e->{n} != $want + 1
                       || decode_base64($e->{v}) ne "$key:$want";
                $taken{$key} = $e->{n};
            }

            next if !$last;
            $got = request($t, $http, 'POST', "/ack/$key?n=$last", $key, '');
            push @failed, "ack of $key: $got->{status} $got->{content}"
                if $got->{status} != 200;
        }

        die "too much failed: @failed[0 .. 9]\n" if @failed > 50;
    }

    push @failed, map { "$_: sent $sent{$_}, taken " . ($taken{$_} || 0) }
                  grep { $sent{$_} != ($taken{$_} || 0) } @keys;

    return { failed => \@failed, delivered => $delivered };
}


1;
