package ShardTest::Chaos;

# One cell of the matrix phase x fault x strategy x driver, in a world of its
# own (Chaos/World.pm) with a migrator that stops itself at the phase.  Then
# the fault is made (Chaos/Fault.pm), and the migrator goes on, or another:
#
#    shard 0: n1 ▶ n2 ──▶ stopped at the phase ──▶ fault ──▶ CONT ──▶ healed
#        ──▶ ends at one owner that serves ──▶ ledgers say nothing is lost
#
#     my $cell = ShardTest::Chaos::cell(phase => 'hold', fault => 'kill',
#                                       verb => 'move', driver => 'http',
#                                       strategy => 'log-shipping');
#     print $cell->{ok} ? $cell->{end} : join '; ', @{ $cell->{bad} };
#
# Chaos/Cells.pm says which cells there are.

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use Time::HiRes qw/ time /;

use ShardTest;
use ShardTest::Chaos::Cells;
use ShardTest::Chaos::Fault;
use ShardTest::Chaos::World;


# in these nothing may fail that a client sees

my %quiet = map { $_ => 1 } qw/ kill stop redis-killed reload target-slow
                                clock-ahead clock-back /;


sub cell {
    my (%cell) = @_;

    my $began = time();
    my $self = bless {
        %cell, bad => [], end => 'none', failed => 0,
        target => ShardTest::Chaos::Cells::inside(\%cell) ? 'n1' : 'n2'
    }, __PACKAGE__;

    eval {
        $self->timed('world');
        $self->timed('reach') && $self->timed('fault');
        $self->timed('settle');
        $self->timed('judge');
    };

    push @{ $self->{bad} }, $@ =~ s/\n/ /gr if $@;
    $self->timed('end_world');
    $self->{seconds} = sprintf('%.1f', time() - $began) + 0;
    $self->{ok} = @{ $self->{bad} } ? 0 : 1;

    my %got = map { ($_ => $self->{$_}) } grep { exists $self->{$_} }
              qw/ verb strategy driver phase fault ok bad end why trail id
                  hold_ms failed requests seconds took dir /;

    return \%got;
}


# a step, and how many seconds it took

sub timed {
    my ($self, $step) = @_;

    my $at = time();
    my $got = $self->$step();

    $self->{took}{$step} = sprintf('%.1f', time() - $at) + 0;
    return $got;
}


sub bad { my ($self, @why) = @_; push @{ $self->{bad} }, @why; }


sub phase_now {
    my ($self) = @_;
    return $self->{t}->migration($self->{id})->{phase} || 'planned';
}


sub ended { return $_[0]->phase_now() =~ /^(done|rolled-back)$/ }


# true when the migrator stands at the phase; it may have none

sub reach {
    my ($self) = @_;

    my $t = $self->{t};

    # by then the shard has data

    wait_for { $t->redis()->command('XLEN', $t->key('metrics')) >= 3 } 60,
        'load';

    $self->{m1} = $self->start_migrator('m1',
                                        SHARD_MIGRATOR_STOP => $self->{phase});
    $self->{id} = $self->begin();

    wait_for { $self->{m1}->is_stopped() || $self->ended() } 60,
        "the phase $self->{phase}";

    $self->{reached} = $self->{m1}->is_stopped();
    $self->bad("phase $self->{phase} was not reached") if !$self->{reached};

    return $self->{reached};
}


# to its end, by whoever is there

sub settle {
    my ($self) = @_;

    my $t = $self->{t};

    eval { wait_for { $self->ended() } 90, 'the end of the migration' }
        || die $@ =~ s/\n//r, '; it is in ', $self->phase_now(), "\n";

    my $m = $t->migration($self->{id});

    $self->{end} = $m->{phase};
    $self->{why} = ($m->{error} || '') =~ s|\s+| |gr;
    $self->{trail} = join ' ', ($m->{trail} || '') =~ /(\S+)@\d+/g;
    $self->{hold_ms} = ($m->{hold_ms} || 0) + 0;
}


# one owner of each shard, which knows it, and a word of why

sub judge {
    my ($self) = @_;

    my $t = $self->{t};
    my $all = $t->redis()->hash($t->key('table'));
    my %rec = map { ($_ => decode_json($all->{$_})) } keys %$all;
    my %want = $self->owners();
    my $is = join ' ', map { "$_:$rec{$_}{primary}" } sort keys %rec;
    my $want = join ' ', map { "$_:$want{$_}" } sort keys %want;

    $self->bad("owners are $is, not $want") if $is ne $want;
    $self->bad(map { "shard $_ is left $rec{$_}{phase}" }
               grep { ($rec{$_}{phase} || 'steady') ne 'steady' } keys %rec);

    if ($self->{strategy} ne 'stateless') {
        $self->judge_shard($_, $rec{$_}) for keys %rec;
        $self->judge_target() if $self->{end} ne 'done'
                                 && $self->{verb} ne 'merge';
    }

    $self->bad('rolled back, and nobody says why')
        if $self->{end} eq 'rolled-back' && $self->{why} !~ /\w+: \S/;

    my $log = join '', map { $t->{process}{$_}
                             ? $t->process($_)->log_text() : () } qw/ m1 m2 /;

    $self->bad("no log line tells of phase=$self->{end}")
        if $log !~ /migration=$self->{id} .*phase=\Q$self->{end}\E/;

    $self->judge_load($_) for qw/ edge-1 edge-2 /;
    $self->judge_links() if $self->{driver} eq 'postgres';
}


# shard => node, as it must be at this end

sub owners {
    my ($self) = @_;

    my $done = $self->{end} eq 'done';
    my %owner = map { ($_ => 'n1') } 0 .. 3;

    $owner{1} = $self->{target} if $self->{verb} eq 'merge';
    return %owner if !$done;

    delete $owner{0} if $self->{verb} eq 'merge';
    $owner{0} = 'n2' if $self->{verb} eq 'move';
    $owner{$self->{t}->migration($self->{id})->{into}} = $self->{target}
        if $self->{verb} eq 'split';

    return %owner;
}


# primary at one node, and no more at the other

sub judge_shard {
    my ($self, $id, $rec) = @_;

    my $other = $rec->{primary} eq 'n1' ? 'n2' : 'n1';
    my ($one, $two);

    eval {
        wait_for {
            $one = $self->stats($rec->{primary}, $id);
            $two = $self->stats($other, $id);
            $one && $one->{role} eq 'primary' && $one->{epoch} == $rec->{epoch}
                && $two && $two->{role} ne 'primary'
        } 30, "shard $id is primary at $rec->{primary} by epoch $rec->{epoch}"
    } || die $@ =~ s/\n//r, ' alone; it is ', join(' and ', map {
             $_ ? "$_->{role} $_->{epoch}" : 'silent' } $one, $two), "\n";
}


# taken back it has nothing of what was copied: one that was silent is told
# within 10 s of its coming back

sub judge_target {
    my ($self) = @_;

    my $id = $self->{verb} eq 'move'
             ? 0 : $self->{t}->migration($self->{id})->{into};
    my $got;

    return if !defined $id;

    eval {
        wait_for {
            $got = $self->stats($self->{target}, $id);
            $got && $got->{role} eq 'none'
        } 60, 'forgets'
    } || $self->bad("$self->{target} has not forgotten shard $id, it is "
                    . ($got ? "$got->{role} $got->{epoch}" : 'silent'));
}


sub stats {
    my ($self, $node, $shard) = @_;

    my $addr = $self->{t}{nodes}{$node}{addr};

    my $got = eval { decode_json(HTTP::Tiny->new(timeout => 5)->get(
                         "http://$addr/_shard/$shard/stats")->{content}) };

    return $got && $got->{role} ? $got : undef;
}


# of slots, publications and subscriptions nothing is left but the way back

sub judge_links {
    my ($self) = @_;

    my $left;

    eval {
        wait_for {
            $left = join ', ', map {
                my $node = $_;
                map { "$node $_" } split /\n/,
                    $self->{store}{$node}{pg}->leftovers()
            } qw/ n1 n2 /;
            $left =~ s/\S+ \w+ shard_\S+_$self->{id}_r(, )?//g
                if $self->{end} eq 'done';
            !$left
        } 30, 'links'
    } || $self->bad("left behind: $left");
}


sub judge_load {
    my ($self, $edge) = @_;

    my $report = $self->{t}->end_load("load-$edge");

    for my $field (qw/ lost_writes reordered stale_reads unverified /) {
        $self->bad("$edge: $report->{$field} $field, $report->{notes}[0]")
            if $report->{$field};
    }

    $self->{failed} += $report->{failed};
    $self->{requests} += $report->{requests};
    $self->bad("$edge: $report->{failed} failed, $report->{notes}[0]")
        if $report->{failed} && $quiet{$self->{fault}};
}


1;
