"""What simulated people are called and what they write, in three languages: half sentences, slang and all."""

from collections.abc import Mapping
from typing import Final

#: First names and family names by language.
NAMES: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "es": (
        ("Ana", "Luis", "Carmen", "Jorge", "Lucía", "Andrés", "Marta", "Diego", "Rosa", "Pedro", "Elena", "Mateo", "Sofía", "Raúl"),
        ("Pérez", "Gómez", "Rojas", "Quispe", "Muñoz", "Castro", "Vargas", "Díaz", "Torres", "Ríos", "Salas", "Mora", "Núñez", "León"),
    ),
    "pt": (
        ("Maria", "João", "Ana", "Pedro", "Juliana", "Carlos", "Beatriz", "Paulo", "Larissa", "Rafael"),
        ("Silva", "Souza", "Costa", "Oliveira", "Lima", "Araújo", "Ribeiro", "Almeida", "Barros"),
    ),
    "en": (
        ("Mary", "James", "Linda", "Robert", "Susan", "Kevin", "Karen", "Brian", "Nancy", "Eric"),
        ("Smith", "Johnson", "Brown", "Davis", "Miller", "Wilson", "Moore", "Taylor", "Clark"),
    ),
}  # fmt: skip

#: Words by language and kind; ``{amount}`` is half of what is owed.
WORDS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "es": {
        "promise": ("El viernes pago {amount}", "mañana le consigno", "Quiero cancelar mi deuda el lunes", "pago el 30 sin falta",
                    "La próxima semana abono {amount}"),
        "paid": ("Ya pagué ayer", "eso ya lo cancelé la semana pasada", "ya hice la transferencia, revisen"),
        "thanks": ("ok gracias", "Listo, recibido", "👍", "gracias por avisar"),
        "later": ("ahora no puedo hablar, escríbame por la tarde", "estoy en el trabajo", "luego veo"),
        "human": ("Quiero hablar con una persona", "páseme con un asesor por favor"),
        "call": ("Llámeme mañana en la mañana", "me puede llamar?"),
        "question": ("¿Cuánto debo en total?", "¿Y si pago en dos cuotas?", "qué es esto??"),
        "stop": ("BAJA", "STOP", "cancelar suscripción", "no me escriban más"),
        "stop_sentence": ("Dejen de mandarme mensajes", "ya no quiero que me contacten"),
        "dispute": ("Yo no debo eso, es un error", "Esa deuda no la reconozco", "eso ya prescribió y no lo debo"),
        "hardship": ("Me quedé sin trabajo, no puedo pagar", "estoy enfermo y no tengo plata"),
        "stranger": ("Número equivocado", "no conozco a esa persona", "yo no soy esa persona, se equivocó de número"),
    },
    "pt": {
        "promise": ("Pago {amount} na sexta", "amanhã eu pago", "vou pagar dia 30", "semana que vem acerto {amount}"),
        "paid": ("Já paguei ontem", "isso já foi pago", "já fiz o pix"),
        "thanks": ("ok obrigado", "recebido", "👍", "valeu"),
        "later": ("agora não posso falar", "estou no trabalho, depois vejo"),
        "human": ("Quero falar com um atendente", "me passa pra uma pessoa"),
        "call": ("Me liga amanhã de manhã", "pode me ligar?"),
        "question": ("Quanto eu devo no total?", "dá pra parcelar?", "o que é isso?"),
        "stop": ("PARAR", "SAIR", "não me mande mais mensagens"),
        "stop_sentence": ("Parem de me mandar mensagem", "não quero mais receber contato"),
        "dispute": ("Não reconheço essa dívida", "eu não devo isso"),
        "hardship": ("Estou desempregado, não consigo pagar", "estou doente e sem dinheiro"),
        "stranger": ("Número errado", "não conheço essa pessoa"),
    },
    "en": {
        "promise": ("I'll pay {amount} on Friday", "I can pay tomorrow", "will pay on the 30th"),
        "paid": ("I already paid that", "paid it last week"),
        "thanks": ("ok thanks", "got it", "👍"),
        "later": ("can't talk now", "at work, later"),
        "human": ("I want to talk to a person", "agent please"),
        "call": ("Call me tomorrow morning", "can you call me?"),
        "question": ("How much do I owe in total?", "can I split it in two?", "what is this"),
        "stop": ("STOP", "UNSUBSCRIBE", "stop texting me"),
        "stop_sentence": ("Please stop contacting me", "do not message me again"),
        "dispute": ("I dispute this debt", "I don't owe this"),
        "hardship": ("I lost my job and can't pay", "I'm in the hospital, no money"),
        "stranger": ("Wrong number", "you have the wrong person"),
    },
}  # fmt: skip
