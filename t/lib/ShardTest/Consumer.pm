package ShardTest;

# A client of queues beside a test: it appends to some, takes and acknowledges
# from them in a group, and writes values that end.  Its account is a JSON
# file: what went wrong, how much it did, and what must be there at the end.

use warnings;
use strict;

use HTTP::Tiny;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use Time::HiRes qw/ sleep time /;


sub wait_for (&$$);        # of ShardTest.pm, which comes after this file


sub start_consumer {
    my ($self, %args) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $stop = 0;
        $SIG{TERM} = sub { $stop = 1 };

        my $account = { problems => [], taken => 0, appended => 0, ends => {},
                        http => HTTP::Tiny->new(keep_alive => 1,
                                                timeout => 15) };

        eval { consumer_loop($self, $account, \$stop, %args); 1 }
            or push @{ $account->{problems} }, "died: $@";

        delete $account->{http};
        spew("$self->{dir}/consumer.json", encode_json($account));
        POSIX::_exit(0);
    }

    return $self->{consumer} = $pid;
}


sub end_consumer {
    my ($self) = @_;

    kill('TERM', $self->{consumer});
    wait_for { waitpid($self->{consumer}, POSIX::WNOHANG()) != 0 } 60,
             'the consumer to end';

    return decode_json(slurp("$self->{dir}/consumer.json"));
}


# 423 is a queue that is held: again, as a consumer does

sub consumer_call {
    my ($self, $account, $method, $path, $key, $content) = @_;

    while (1) {
        my $answer = $account->{http}->request($method, $self->url($path), {
            headers => { 'X-Key' => $key }, content => $content // '' });

        return $answer if $answer->{status} =~ /^20[04]$/;

        if ($answer->{status} != 423) {
            push @{ $account->{problems} },
                 "$method $path: $answer->{status} "
                 . substr($answer->{content}, 0, 200);
            return;
        }

        sleep(0.005);
    }
}


sub consumer_loop {
    my ($self, $account, $stop, %args) = @_;

    my @keys = map { "job-$_" } 1 .. $args{queues};
    my %state = map { $_ => { sent => 0, seen => 0 } } @keys;

    for (my $round = 1; !$$stop || grep { $_->{seen} < $_->{sent} }
                                        values %state; $round++)
    {
        for my $key (@keys) {
            my $s = $state{$key};

            if (!$$stop) {
                consumer_append($self, $account, $key, $s);
                consumer_value($self, $account, $key, $round);
            }

            consumer_take($self, $account, $key, $s)
                if $$stop || $round % 2 == 0;
        }

        return if @{ $account->{problems} } > 20;
        sleep($args{pause}) if $args{pause};
    }
}


sub consumer_append {
    my ($self, $account, $key, $s) = @_;

    my $answer = consumer_call($self, $account, 'POST', "/queue/$key", $key,
                               "$key:" . ++$s->{sent}) or return;
    my $n = decode_json($answer->{content})->{n};

    $account->{appended}++;
    push @{ $account->{problems} }, "$key: entry $s->{sent} is $n"
        if $n != $s->{sent};
}


# one in ten ends soon, the others in an hour

sub consumer_value {
    my ($self, $account, $key, $round) = @_;

    my $ms = $round % 10 ? 3600000 : 200;
    my $name = "$key-v" . $round % 50;
    my $sent = time();

    consumer_call($self, $account, 'PUT', "/kv/$name?ttl_ms=$ms", $key,
                  "$name:$round") or return;

    $account->{ends}{$name} = [ $key, "$name:$round", $sent + $ms / 1000,
                                time() + $ms / 1000 ];
}


sub consumer_take {
    my ($self, $account, $key, $s) = @_;

    my $who = 'group=g&consumer=c';
    my $answer = consumer_call($self, $account, 'POST',
                               "/take/$key?$who&limit=5", $key) or return;
    my @got = map { decode_json($_) } split(/\n/, $answer->{content});

    for my $entry (@got) {
        my $value = decode_base64($entry->{v});

        push @{ $account->{problems} },
             "$key: $entry->{n} $value behind $s->{seen}"
            if $entry->{n} != $s->{seen} + 1 || $value ne "$key:$entry->{n}";
        $s->{seen} = $entry->{n};
        $account->{taken}++;
    }

    return if !@got;

    $answer = consumer_call($self, $account, 'POST',
                            "/ack/$key?$who&n=$s->{seen}", $key) or return;
    my $acked = decode_json($answer->{content})->{acked};

    push @{ $account->{problems} }, "$key: $acked of @{[ scalar @got ]} acked"
        if $acked != @got;
}


1;
